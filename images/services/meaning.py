"""Which class of a project a written label means: one rule for ZIPs, labels files, API, pages and commands.

1. The exact name of a class (Unicode NFC) means that class. A number means the class of that name: `1`, `1.0` and `1,0` are `1`.
2. Else a number counts the classes in the project's order, from 0, if this can mean one class only. It cannot where classes are
   named by numbers, were retired or put in another order, or where the names count otherwise (label 1 of BI-RADS 1, BI-RADS 2).
3. Within a file all numbers count alike: where one of them is no class, none of them is a position.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from images.models import Project, ProjectClass

# As people and pandas write whole numbers; a leading zero (007) is a name.
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]{0,4}))(?:[.,]0{1,6})?")
_FRACTION: Final = re.compile(r"-?[0-9]+[.,][0-9]*[1-9][0-9]*")
_COUNTED: Final = re.compile(r"[0-9]{1,6}|\b[IVX]{1,4}\b")
_ROMAN: Final = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10}


class LabelRefused(Exception):
    """The label means no class, or could mean several: `unknown_class` or `ambiguous_class`. The message says what to write."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Classes:
    """The classes of a project. `names`: all in the project's order; `retired`: some of them; `made`: all in the order in which
    they were added."""

    names: Sequence[str]
    retired: Collection[str] = ()
    made: Sequence[str] = ()

    @classmethod
    def of(cls, project: Project | int) -> "Classes":
        rows = list(ProjectClass.objects.filter(project=project).order_by("position"))
        return cls(
            [row.name for row in rows],
            {row.name for row in rows if row.retired_at is not None},
            [row.name for row in sorted(rows, key=lambda row: row.pk)],
        )

    @cached_property
    def active(self) -> list[str]:
        return [name for name in self.names if name not in self.retired]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _numbers(self) -> dict[int, list[str]]:
        """The classes that are named by numbers."""
        found: dict[int, list[str]] = {}
        for name in self.names:
            if (number := _number(name)) is not None:
                found.setdefault(number, []).append(name)
        return found

    @cached_property
    def _counts(self) -> dict[str, set[int]]:
        """The numbers in each name: BI-RADS 2 -> {2}, Grade IV -> {4}."""
        return {name: {_counted(part) for part in _COUNTED.findall(name)} for name in self.names}

    @cached_property
    def _stems(self) -> Counter[str]:
        """How many classes differ in nothing but their number."""
        return Counter(_stem(name) for name in self.names)

    def named(self, text: str) -> str | None:
        """The class, retired ones too, whose name this is."""
        name = unicodedata.normalize("NFC", text.strip())
        if name in self._known:
            return name
        number = _number(name)
        same = self._numbers.get(number, []) if number is not None else []
        return same[0] if len(same) == 1 else None

    def meaning(self, text: str) -> str:
        """The name of the class that a label means; a retired one by its name only. LabelRefused."""
        if (name := self.named(text)) is not None:
            return name
        number = _number(text.strip())
        return self._unknown(text) if number is None or number < 0 else self._at(number, text)

    def meanings(self, written: Collection[str]) -> dict[str, str | LabelRefused]:
        """What each of the labels of one file means."""
        found: dict[str, str | LabelRefused] = {}
        for text in written:
            try:
                found[text] = self.meaning(text)
            except LabelRefused as error:
                found[text] = error
        return self._counted_alike(found)

    def _at(self, number: int, text: str) -> str:
        """The class at this position."""
        orders = (self.active, self.names, self.made or self.names)
        found = {names[number] if number < len(names) else None for names in orders}
        if found == {None}:
            self._unknown(text)
        if self._numbers:
            raise _ambiguous(text, "classes of this project are named by numbers, so no number is a position")
        if len(found) > 1:
            raise _ambiguous(text, "classes were retired or put in another order, and so were their positions")
        name = self.active[number]
        if reason := self._other_count(number, name):
            raise _ambiguous(text, reason)
        return name

    def _other_count(self, number: int, name: str) -> str:
        """Why the names speak against the class at this position, or nothing."""
        others = [other for other in self.names if number in self._counts[other]]
        if others and name not in others:
            return f"it could be '{others[0]}', or '{name}' at position {number} counted from 0"
        apart = [other for place, other in enumerate(self.names) if self._counts[other] - {place}]
        series = [other for other in apart if self._stems[_stem(other)] > 1]
        if series:
            return f"the classes count by their names ('{series[0]}'), which are not their positions"
        return ""

    def _counted_alike(self, found: dict[str, str | LabelRefused]) -> dict[str, str | LabelRefused]:
        numbers = {text: number for text in found if (number := _number(text.strip())) is not None and number >= 0}
        odd = [
            text for text in (*numbers, *filter(_FRACTION.fullmatch, found)) if isinstance(found[text], LabelRefused)
        ]
        if not odd:
            return found
        if self._numbers and odd[0] in numbers and max(numbers.values()) < len(self.active):
            reason = f"the file also says '{odd[0]}', so its numbers may be positions counted from 0"
            return found | {text: _ambiguous(text, reason) for text in numbers}
        reason = f"the file also says '{odd[0]}', so its numbers do not count the classes of this project from 0"
        positions = [text for text in numbers if isinstance(found[text], str) and self.named(text) is None]
        return found | {text: _ambiguous(text, reason) for text in positions}

    def _unknown(self, text: str) -> str:
        known = ", ".join(self.active)
        raise LabelRefused("unknown_class", f"The project has no class '{text}'. Its classes are: {known}.")


def _ambiguous(text: str, reason: str) -> LabelRefused:
    return LabelRefused("ambiguous_class", f"'{text}' is not sure to mean one class: {reason}. Write the class's name.")


def _number(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else None


def _counted(part: str) -> int:
    return _ROMAN.get(part, -1) if part[0] in "IVX" else int(part)


def _stem(name: str) -> str:
    return _COUNTED.sub("#", name)
