"""English sentences of services in the language of whoever reads the page.

A refusal is data: the API answers it, rows and logs keep it. So it stays English where it is made, and a page that shows it says
it in the reader's language, through the filter `said` or here. The templates of all such sentences (`words/of_sentences.py`,
gathered from the source) say what of a sentence is ours and what was put in; the catalogue has their German.

Text is compared, never run: no sentence is made a regular expression, so what was put in cannot make one take long."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Final

from django.utils.translation import get_language, gettext

# Longer texts than the columns of errors are nobody's sentence.
LONGEST: Final = 4000
# Sentences in a row that are told apart; what follows is one more.
MOST_IN_A_ROW: Final = 12
# A value may be a sentence, in which there may be another.
DEPTH: Final = 6
# What a sentence is about may stand in front of it, with a colon: a code, a number, a row of a file.
MOST_ABOUT: Final = 80
# Pieces of a text that are looked at. The rest of one that could be parted in more ways is shown as it is.
MOST_LOOKED_AT: Final = 500
# Values that are one word of ours (words/of_others.py). Any other word may be the name of a class, and is none of ours.
WORDS: Final = frozenset({"allows", "in_a_sentence", "one", "part", "plural", "sees", "shapes", "status"})
_PLACE: Final = re.compile(r"%\((\w+)\)s")
_FILLED: Final = re.compile(r"%\((\w+)\)s|%%")
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

    def values(self, text: str) -> list[str] | None:
        """What stands in its places; None where it is another sentence. Each value ends where the next letters begin first."""
        first, *inner, last = self.letters
        if len(text) < self.weight or not text.startswith(first) or not text.endswith(last):
            return None
        at, end, found = len(first), len(text) - len(last), []
        for letters in inner:
            until = text.find(letters, at, end)
            if until < 0:
                return None
            found.append(text[at:until])
            at = until + len(letters)
        return [*found, text[at:end]]

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
    return whole if whole != said else _Reading().row(said, DEPTH).said


@dataclass(frozen=True, slots=True)
class Said:
    """`letters`: how many of the English text are known as ours."""

    letters: int
    said: str


@dataclass
class _Reading:
    """Of one text. Of all ways to read it the one in which most letters are known is right: `This is X. Y is full.` is two
    sentences, though it could be one with a value in front."""

    looked_at: dict[tuple[str, int], Said] = field(default_factory=dict)

    def row(self, text: str, depth: int) -> Said:
        """One sentence, or several that follow each other."""
        ends = [*(match.end() - 1 for match in islice(_END.finditer(text), MOST_IN_A_ROW)), len(text)]
        starts = [0, *(end + 1 for end in ends[:-1])]
        best: list[tuple[int, list[str]]] = [(0, [])]
        for last, end in enumerate(ends):
            options = []
            for first in range(last + 1):
                one = self.sentence(text[starts[first] : end], depth)
                options.append((best[first][0] + one.letters, [*best[first][1], one.said]))
            best.append(max(options, key=lambda option: (option[0], len(option[1]))))
        return Said(best[-1][0], " ".join(best[-1][1]))

    def sentence(self, text: str, depth: int) -> Said:
        key = text, depth
        if key not in self.looked_at:
            if depth == 0 or len(self.looked_at) >= MOST_LOOKED_AT:
                return Said(0, text)
            self.looked_at[key] = Said(0, text)
            self.looked_at[key] = self._looked_at(text, depth)
        return self.looked_at[key]

    def _looked_at(self, text: str, depth: int) -> Said:
        if text in known().whole:
            return Said(len(text), gettext(text))
        fitting = sorted(known().fitting(text), key=lambda found: -found[0].weight)
        options = [self._filled(template, values, depth) for template, values in fitting]
        about, colon, rest = text.partition(": ")
        if colon and len(about) <= MOST_ABOUT:
            parts = self.sentence(about, depth - 1), self.sentence(rest, depth - 1)
            options.append(Said(parts[0].letters + parts[1].letters, f"{parts[0].said}: {parts[1].said}"))
        if text[:1].isupper():
            # A part of a sentence that begins one, and one that ends one.
            part = self.sentence(text[0].lower() + text[1:], depth - 1)
            options.append(Said(part.letters - 1, part.said[:1].upper() + part.said[1:]))
        if text.endswith("."):
            part = self.sentence(text[:-1], depth - 1)
            options.insert(0, Said(part.letters, f"{part.said}."))
        return max((*options, Said(0, text)), key=lambda option: option.letters)

    def _filled(self, template: Template, values: list[str], depth: int) -> Said:
        told = {
            name: Said(0, value) if template.quotes(place) else self._value(name, value, depth - 1)
            for place, (name, value) in enumerate(zip(template.places, values, strict=True))
        }
        letters = template.weight + sum(value.letters for value in told.values())
        german = gettext(template.sentence)
        return Said(letters, _FILLED.sub(lambda match: told[match[1]].said if match[1] else "%", german))

    def _value(self, name: str, value: str, depth: int) -> Said:
        if name in WORDS and value and (word := gettext(value)) != value:
            return Said(len(value), word)
        bare = value.strip()
        lead, trail = value[: len(value) - len(value.lstrip())], value[len(value.rstrip()) :] if bare else ""
        told = self.row(bare, depth)
        if "; " in bare:
            parts = [self.row(part, depth) for part in bare.split("; ")]
            listed = Said(sum(part.letters for part in parts), "; ".join(part.said for part in parts))
            told = max(listed, told, key=lambda one: one.letters)
        return Said(told.letters, f"{lead}{told.said}{trail}")
