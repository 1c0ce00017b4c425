"""What somebody asked of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mediscan_site.core.errors import Invalid
from models_registry.models import ModelVersion
from training.engine.config import ASKABLE

AUTO, TRUE, FALSE = "auto", "true", "false"


@dataclass(frozen=True)
class Wishes:
    """What the caller asked for. `options`: those of the engine that were named; the recipe decides the others. What is
    true or false may be auto too. `base_model`: the version to continue from. `larger`: larger pictures than the recipe's, where
    no size is named."""

    options: Mapping[str, Any] = field(default_factory=dict)
    base_model: ModelVersion | None = None
    larger: bool = False

    @classmethod
    def of(cls, *, base_model: ModelVersion | None = None, larger: bool = False, **options: Any) -> Self:
        """As a form, a request or a command names them: an option that is None was not asked for."""
        if unknown := options.keys() - ASKABLE.keys():
            raise TypeError(f"nobody may ask for {', '.join(sorted(unknown))}")
        return cls({name: value for name, value in options.items() if value is not None}, base_model, larger)

    def sized(self, side: int) -> Self:
        """The same, at so many pixels a side."""
        return type(self)({**self.options, "image_size": side}, self.base_model)

    def get(self, option: str) -> Any:
        """What was asked for; None when nothing was."""
        return self.options.get(option)

    def switch(self, option: str) -> str:
        """AUTO, TRUE or FALSE, however it was written. Raises Invalid."""
        text = str(self.options.get(option, AUTO)).strip().lower()
        if text not in (AUTO, TRUE, FALSE):
            raise Invalid(f"{option} must be auto, true or false.", attr=option, code="invalid_choice")
        return text

    def settled(self) -> dict[str, Any]:
        """The values that leave the recipe no choice. Raises Invalid."""
        switches = {name: self.switch(name) for name in self.options if ASKABLE[name].kind is bool}
        decided = {name: text == TRUE for name, text in switches.items() if text != AUTO}
        return {name: value for name, value in self.options.items() if name not in switches} | decided
