"""Class names in figures. Matplotlib's own font has no Korean, Japanese or Chinese: it would draw the same box for every letter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

OWN: Final = "DejaVu Sans"
# Has a sign for every script in place of every letter of it.
PLACEHOLDERS: Final = "Last Resort"
WHERE: Final = "numbered as the classes stand in model/model_card.md"


@dataclass(frozen=True)
class Lettering:
    """`labels`: what is drawn for each class; `families`: the fonts to draw it with; `note`: for the figure's edge."""

    labels: Mapping[str, str]
    families: Sequence[str] = (OWN,)
    note: str = ""

    def of(self, name: str) -> str:
        return self.labels.get(name, name)


def lettering(classes: Sequence[str]) -> Lettering:
    """The names themselves where fonts of this machine have their letters. Else numbers, and a note that says where they stand."""
    names = {name: name for name in classes}
    letters = {letter for name in classes for letter in name}
    missing = letters - _letters(OWN)
    if not missing:
        return Lettering(names)
    family = _family_with(frozenset(missing))
    if family:
        return Lettering(names, (OWN, family))
    return Lettering({name: str(number) for number, name in enumerate(classes, 1)}, note=WHERE)


def installed() -> Iterable[str]:
    """The families of fonts on this machine that have letters."""
    from matplotlib import font_manager

    names = {entry.name for entry in font_manager.fontManager.ttflist}
    return sorted(name for name in names if name != OWN and not name.startswith(PLACEHOLDERS))


def _family_with(letters: frozenset[str]) -> str | None:
    return next((name for name in installed() if letters <= _letters(name)), None)


@cache
def _letters(family: str) -> frozenset[str]:
    """All letters of a font; none of one that cannot be read."""
    from matplotlib import font_manager

    try:
        path = font_manager.findfont(family, fallback_to_default=False)
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (ValueError, OSError, RuntimeError):
        return frozenset()
