"""The table of faults: what is broken, what must follow, and the function that does it and looks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.faults._stage import Stage

# Where a fault makes sense: one machine with SQLite and files, services by address, or each of both. ALONE has a site of its own.
MACHINE: Final = ("machine",)
SERVICES: Final = ("services",)
BOTH: Final = MACHINE + SERVICES
ALONE: Final = ("alone",)


class Wrong(Exception):
    """What was seen and must not be."""


class NotHere(Exception):
    """The fault cannot be made on this machine: which part is missing."""


@dataclass(frozen=True)
class Fault:
    """One row. `expected`: in the words of docs/operations.md."""

    name: str
    what: str
    expected: str
    places: tuple[str, ...]
    run: "Callable[[Stage], str]"


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, what: str, expected: str, places: tuple[str, ...] = BOTH
) -> "Callable[[Callable[[Stage], str]], Callable[[Stage], str]]":
    """Put a function into the table. It gets a stage, breaks something, mends it, and returns what it saw."""

    def decorate(run: "Callable[[Stage], str]") -> "Callable[[Stage], str]":
        FAULTS[name] = Fault(name, what, expected, places, run)
        return run

    return decorate


def must(holds: object, words: str) -> None:
    """Raise `Wrong` with these words unless it holds."""
    if not holds:
        raise Wrong(words)
