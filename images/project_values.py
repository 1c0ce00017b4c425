"""The values of a project's options (`project_options`), checked one by one."""

from collections.abc import Callable
from typing import Any, Final

from images import anatomy
from images.models import RESEARCH_USE
from images.project_options import PLAIN, Option
from mediscan_site.core import text
from mediscan_site.core.errors import Invalid


def parse(name: str, value: Any) -> Any:
    """One checked value of PLAIN. Invalid names the option."""
    option = PLAIN[name]
    return _PARSERS[option.kind](value, option)


def _line(value: Any, option: Option) -> str:
    return text.line(value, attr=option.name, max_length=option.max_length)


def _meaning(value: Any, option: Option) -> str:
    """A word that is not known would never contradict a scan, and nobody would notice."""
    line = _line(value, option)
    if line and not anatomy.meanings(option.of, line):
        raise Invalid(
            f"'{line}' is no {option.of.replace('_', ' ')} that is known here. Use a plain word or a DICOM code, for example "
            f"{anatomy.EXAMPLES[option.of]}; or leave it empty.",
            attr=option.name,
        )
    return line


def _flag(value: Any, option: Option) -> bool:
    return text.flag(value, attr=option.name)


def _statement(value: Any, option: Option) -> str:
    """Intended use and limitations are never empty: silence would not say that this is for research only."""
    return text.paragraphs(value, attr=option.name) or RESEARCH_USE


def _choice(value: Any, option: Option) -> str:
    chosen = text.choice(value, attr=option.name, choices=option.choices)
    if chosen is None:
        raise Invalid(f"{option.name} must be one of: {', '.join(option.choices)}.", attr=option.name, code="required")
    return chosen


def _share(value: Any, option: Option) -> float:
    share = text.number(value)
    if not option.low <= share <= option.high:
        raise Invalid(f"{option.name} must be a number from {option.low:g} to {option.high:g}.", attr=option.name)
    return share


def _number(value: Any, option: Option) -> int:
    number = text.number(value)
    if not option.low <= number <= option.high or number != int(number):
        raise Invalid(f"{option.name} must be a whole number from {option.low:g} to {option.high:g}.", attr=option.name)
    return int(number)


def _years(value: Any, option: Option) -> float | None:
    if value is None or value == "":
        return None
    years = text.number(value)
    if not option.low <= years <= option.high:
        raise Invalid(
            f"{option.name} must be a number of years from {option.low:g} to {option.high:g}, or left out.",
            attr=option.name,
        )
    return years


_PARSERS: Final[dict[str, Callable[[Any, Option], Any]]] = {
    "line": _line,
    "meaning": _meaning,
    "flag": _flag,
    "statement": _statement,
    "share": _share,
    "years": _years,
    "choice": _choice,
    "number": _number,
}
