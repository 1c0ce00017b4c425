"""What an option of a training may be, and what a person reads about it. Loads no PyTorch: pages and commands read it too."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

# Who may name an option when a run is started: whoever calls the API or the command `train`, or the form's page as well.
API, PAGE = "api", "page"
# The key of a dataclass field's metadata under which its Option stands.
_OPTION = "option"
_KINDS: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Option:
    """`low` and `high`: the bounds of a number, both allowed. `choices`: all that a text may be.

    `asked`: API or PAGE, empty when the recipe alone decides. `planned`: where nobody names it the recipe decides;
    else it is the default. `name` and `default` are those of the field that it describes.
    """

    label: str
    help: str = ""
    low: Any = -math.inf
    high: Any = math.inf
    choices: tuple[str, ...] = ()
    asked: str = ""
    planned: bool = True
    name: str = ""
    default: Any = None

    @property
    def kind(self) -> type:
        return type(self.default)

    @property
    def values(self) -> str:
        """What it may be, as text; what is true or false is asked for as auto too."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind is bool:
            return "auto, true, false" if self.asked else "true, false"
        if self.kind is str:
            return "text"
        return f"{self.low} to {self.high}"

    @property
    def description(self) -> str:
        """For the API's documents and the command's help, which show nothing else of it."""
        otherwise = "the recipe decides" if self.planned else f"it is {self.default}"
        return f"{self.help} Values: {self.values}. When it is left out, {otherwise}."

    def fault(self, value: object) -> str:
        """What is wrong with the value; empty when nothing is."""
        accepted = (int, float) if self.kind is float else self.kind
        if not isinstance(value, accepted) or (self.kind is not bool and isinstance(value, bool)):
            return f"must be {_KINDS[self.kind]}, got {value!r}"
        if self.choices and value not in self.choices:
            return f"must be one of {self.values}, got {value!r}"
        if isinstance(value, int | float) and not (math.isfinite(value) and self.low <= value <= self.high):
            return f"must be between {self.low} and {self.high}, got {value}"
        return ""


def options_of(config: type[Any]) -> dict[str, Option]:
    """The options that the fields of a dataclass describe, by name, in their order."""
    return {f.name: replace(f.metadata[_OPTION], name=f.name, default=f.default) for f in fields(config)}


def described(label: str, help_text: str = "", **rest: Any) -> dict[str, Option]:
    """The metadata of a field: what the rest of Option says of it."""
    return {_OPTION: Option(label, help_text, **rest)}
