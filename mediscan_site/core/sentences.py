"""English sentences of services in the language of whoever reads the page.

A refusal is data: the API answers it, rows and logs keep it. So it stays English where it is made, and a page that shows it says
it in the reader's language, through the filter `said` or here. The templates of all such sentences (`words/of_sentences.py`,
gathered from the source) say what of a sentence is ours and what was put in; the catalogue has their German.

What was put in is shown as it is: it may be a name. Only places that words/places.py lists are read further.

Text is compared, never run: no sentence is made a regular expression, so what was put in cannot make one take long."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, islice
from typing import Final

from django.utils.translation import get_language, gettext

from words import places

# Longer texts than the columns of errors are nobody's sentence.
LONGEST: Final = 4000
# Sentences in a row that are told apart; what follows is one more.
MOST_IN_A_ROW: Final = 12
# A value of a listed place may be a sentence, in which there may be another.
DEPTH: Final = 6
# What a sentence is about may stand in front of it, with a colon: a code, a number, a row of a file.
MOST_ABOUT: Final = 80
# Pieces of a text that are looked at. The rest of one that could be parted in more ways is shown as it is.
MOST_LOOKED_AT: Final = 500
# Letters of a part of a sentence below which it is too like a name: a number or words of ours have to stand at its edges.
LIGHT: Final = 13
_PLACE: Final = re.compile(r"%\((\w+)\)s")
_FILLED: Final = re.compile(r"%\((\w+)\)s|%%")
_WHOLE: Final = re.compile(r"(?:[.!?…]|[.:!?] %\(\w+\)s)$")
_NUMBER: Final = re.compile(r"[\d.,%+ -]*")
_END: Final = re.compile(r"[.!?…] ")
_EDGE: Final = 5


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with places: `letters` stand around `places`, so there is one more of them."""

    sentence: str
    letters: tuple[str, ...]
    places: tuple[str, ...]

    @classmethod
    def of(cls, sentence: str) -> "Template":
        parts = _PLACE.split(sentence)
        return cls(sentence, tuple(part.replace("%%", "%") for part in parts[::2]), tuple(parts[1::2]))

    @property
    def weight(self) -> int:
        return sum(map(len, self.letters))

    @property
    def edges(self) -> tuple[str, ...]:
        """The places with which it begins and ends."""
        return (*self.places[: not self.letters[0]], *self.places[len(self.places) - (not self.letters[-1]) :])

    def values(self, text: str) -> list[str] | None:
        """What stands in its places; None where it is another sentence. Each value ends where the next letters begin first."""
        found = self._parted(text, last=False)
        told = {} if found is None else dict(zip(self.places, found, strict=True))
        # A place that is named twice holds the same twice.
        return found if found is not None and [told[place] for place in self.places] == found else None

    def doubtful(self, text: str) -> list[int]:
        """The letters between two values that could as well be those of a value."""
        first, last = self._parted(text, last=False), self._parted(text, last=True)
        if first is None or last is None or first == last:
            return []
        ends = zip(accumulate(map(len, first)), accumulate(map(len, last)), strict=True)
        return [place for place, (one, other) in enumerate(ends) if one != other]

    def keeps(self, place: int, german: str) -> bool:
        """Whether the letters after a place stand there in German too: then it is the same wherever the value ends."""
        after = self.letters[place + 1].replace("%", "%%")
        return f"%({self.places[place]})s{after}%({self.places[place + 1]})s" in german

    def _parted(self, text: str, *, last: bool) -> list[str] | None:
        """`last`: each value ends where the next letters begin last."""
        begin, *inner, end = self.letters
        if len(text) < self.weight or not text.startswith(begin) or not text.endswith(end):
            return None
        low, high, found = len(begin), len(text) - len(end), []
        for letters in reversed(inner) if last else inner:
            until = text.rfind(letters, low, high) if last else text.find(letters, low, high)
            if until < 0:
                return None
            found.append(text[until + len(letters) : high] if last else text[low:until])
            low, high = (low, until) if last else (until + len(letters), high)
        found.append(text[low:high])
        return found[::-1] if last else found

    def quotes(self, place: int) -> bool:
        """Whether the value stands in quotes: then it is a name, and never a sentence of ours."""
        return self.letters[place].endswith("'") and self.letters[place + 1].startswith("'")


class Known:
    """All sentences; those with places are found by the letters at their edges."""

    def __init__(self, sentences: tuple[str, ...]) -> None:
        self.whole = frozenset(sentence for sentence in sentences if not _PLACE.search(sentence))
        self._at: dict[str, list[Template]] = {}
        for sentence in sentences:
            if sentence not in self.whole:
                template = Template.of(sentence)
                self._at.setdefault(_key(template), []).append(template)

    def fitting(self, text: str) -> Iterator[tuple[Template, list[str]]]:
        """Each template that the text can be, with what was put in."""
        for key in (f"^{text[:_EDGE]}", f"{text[-_EDGE:]}$", ""):
            for template in self._at.get(key, ()):
                values = template.values(text)
                if values is not None:
                    yield template, values


def _key(template: Template) -> str:
    first, last = template.letters[0], template.letters[-1]
    if len(first) >= _EDGE:
        return f"^{first[:_EDGE]}"
    return f"{last[-_EDGE:]}$" if len(last) >= _EDGE else ""


@cache
def known() -> Known:
    """Read when a page first needs it."""
    from words.of_sentences import SENTENCES

    return Known(SENTENCES)


def in_language(text: object) -> str:
    """The text in the active language as far as it is known, else as it is. Plain text: a template has to escape it."""
    said = str(text)
    if (get_language() or "en").startswith("en") or not said or len(said) > LONGEST or hasattr(said, "__html__"):
        return said
    whole = gettext(said)
    return whole if whole != said else _Reading().row(said, _Where(), DEPTH).said


@dataclass(frozen=True, slots=True)
class Said:
    """`letters`: how many of the English text are known as ours. `unknown`: how many are in sentences that are none of ours."""

    letters: int
    said: str
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class _Where:
    """`outer`: in no value. `alone`: the whole text or value, which a part of a sentence may be too; else one of several."""

    outer: bool = True
    alone: bool = True


@dataclass
class _Reading:
    """Of one text. Of all ways to read it the one is right that leaves nothing unknown, and of these the one in which most
    letters are known: `This is X. Y is full.` is two sentences, though it could be one with a value in front."""

    looked_at: dict[tuple[str, _Where, int], Said] = field(default_factory=dict)

    def row(self, text: str, where: _Where, depth: int) -> Said:
        """One sentence, or several that follow each other."""
        ends = [*(match.end() - 1 for match in islice(_END.finditer(text), MOST_IN_A_ROW)), len(text)]
        starts = [0, *(end + 1 for end in ends[:-1])]
        best: list[tuple[int, int, list[str]]] = [(0, 0, [])]
        for last, end in enumerate(ends):
            options = []
            for first in range(last + 1):
                alone = where.alone and first == 0 and end == len(text)
                one = self.sentence(text[starts[first] : end], replace(where, alone=alone), depth)
                unknown, letters, said = best[first]
                options.append((unknown - one.unknown, letters + one.letters, [*said, one.said]))
            best.append(max(options, key=lambda option: (option[0], option[1], len(option[2]))))
        unknown, letters, said = best[-1]
        # What looks like a sentence beside something that is none may be part of a name.
        return Said(0, text, len(text)) if unknown else Said(letters, " ".join(said))

    def sentence(self, text: str, where: _Where, depth: int) -> Said:
        key = text, where, depth
        if key not in self.looked_at:
            if depth == 0 or len(self.looked_at) >= MOST_LOOKED_AT:
                return Said(0, text, len(text))
            self.looked_at[key] = Said(0, text, len(text))
            self.looked_at[key] = self._looked_at(text, where, depth)
        return self.looked_at[key]

    def _looked_at(self, text: str, where: _Where, depth: int) -> Said:
        if text in known().whole and (where.alone or _WHOLE.search(text)):
            return Said(len(text), gettext(text))
        fitting = sorted(known().fitting(text), key=lambda found: -found[0].weight)
        filled = (self._filled(template, values, text, where, depth) for template, values in fitting)
        options = [said for said in filled if said is not None]
        options += self._after_a_colon(text, where, depth, named=not any(one.weight >= LIGHT for one, _ in fitting))
        if where.outer and text[:1].isupper():
            # A part of a sentence that begins one, and one that ends one.
            part = self.sentence(text[0].lower() + text[1:], where, depth - 1)
            options.append(Said(part.letters - 1, part.said[:1].upper() + part.said[1:], part.unknown))
        if where.outer and text.endswith(".") and not _WHOLE.search(text[:-1]):
            part = self.sentence(text[:-1], where, depth - 1)
            options.append(Said(part.letters, f"{part.said}.", part.unknown))
        return max((*options, Said(0, text, len(text))), key=lambda option: (-option.unknown, option.letters))

    def _after_a_colon(self, text: str, where: _Where, depth: int, *, named: bool) -> Iterator[Said]:
        """What follows a name and a colon, if it is whole sentences of ours. `named`: whether a name may stand in front."""
        about, colon, rest = text.partition(": ")
        if not colon or len(about) > MOST_ABOUT or depth == 1:
            return
        whole = bool(_WHOLE.search(rest))
        told = self.row(rest, replace(where, alone=not whole), depth - 1)
        if told.unknown or not told.letters:
            return
        small = about[:1].lower() + about[1:]
        head = self._one_of(places.ROWS if whole else places.FOLDS, small, _Where(alone=not whole), depth - 1)
        if head is not None:
            said = head.said[:1].upper() + head.said[1:] if about[:1].isupper() else head.said
            yield Said(head.letters + told.letters, f"{said}: {told.said}")
        elif whole and named:
            yield Said(told.letters, f"{about}: {told.said}")

    def _filled(
        self, template: Template, values: Sequence[str], text: str, where: _Where | None, depth: int
    ) -> Said | None:
        """None where it is not sure which words are ours. No `where`: a part is expected here, and this is one of those."""
        german = gettext(template.sentence)
        if where is not None and not template.letters[0] and values[0].startswith("'"):
            # Another sentence begins with quotes.
            return None
        if any(not template.keeps(place, german) for place in template.doubtful(text)):
            return None
        told = {
            name: Said(0, value) if template.quotes(place) else self._value(name, value, template.sentence, depth - 1)
            for place, (name, value) in enumerate(zip(template.places, values, strict=True))
        }
        if where is not None and not _WHOLE.search(template.sentence) and not _stands(template, told, where):
            return None
        letters = template.weight + sum(value.letters for value in told.values())
        return Said(letters, _FILLED.sub(lambda match: told[match[1]].said if match[1] else "%", german))

    def _value(self, name: str, value: str, template: str, depth: int) -> Said:
        """In a place that words/places.py does not list it is a name."""
        bare = value.strip()
        if not bare or depth <= 0:
            return Said(0, value)
        if name in places.WORDS and (word := gettext(bare)) != bare:
            told = Said(len(bare), word)
        elif name in places.ONLY:
            parts = [self._one_of(places.ONLY[name], part, None, depth) for part in _parts(bare)]
            told = _joined([part for part in parts if part]) if all(parts) else Said(0, bare)
        elif places.is_said(name, template):
            inside = _Where(outer=False)
            listed = _joined([self.row(part, inside, depth) for part in _parts(bare)])
            told = max(listed, self.row(bare, inside, depth), key=lambda one: one.letters)
        else:
            return Said(0, value)
        lead, trail = value[: len(value) - len(value.lstrip())], value[len(value.rstrip()) :]
        return Said(told.letters, f"{lead}{told.said}{trail}")

    def _one_of(self, sentences: Sequence[str], text: str, where: _Where | None, depth: int) -> Said | None:
        """The text as one of these; None where it is none of them."""
        if text in sentences:
            return Said(len(text), gettext(text))
        for template in map(Template.of, sentences):
            values = template.values(text) if template.places else None
            said = None if values is None else self._filled(template, values, text, where, depth)
            if said is not None:
                return said
        return None


def _stands(template: Template, told: Mapping[str, Said], where: _Where) -> bool:
    """Whether a part of a sentence can stand here. Beside other sentences, or with few letters, its edges have to be ours."""
    if where.alone and template.weight >= LIGHT:
        return True
    return all(told[edge].letters or (where.alone and _NUMBER.fullmatch(told[edge].said)) for edge in template.edges)


def _parts(text: str) -> list[str]:
    """Of a list; what stands in quotes is not divided."""
    parts: list[str] = []
    for part in text.split("; "):
        if parts and parts[-1].count("'") % 2:
            parts[-1] += f"; {part}"
        else:
            parts.append(part)
    return parts


def _joined(parts: Sequence[Said]) -> Said:
    return Said(sum(part.letters for part in parts), "; ".join(part.said for part in parts))
