"""What a run keeps of the version that it goes on from."""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from mediscan_site.core.errors import Invalid
from models_registry.inference.looks import read_windows
from models_registry.inference.names import GREY, LEVELS_KEPT, SQUASH
from models_registry.models import ModelVersion
from training import seeing

# The version has learned to see already: the length and rate of transfer learning's second phase.
RECIPE: Final = {"epochs": 8, "learning_rate": 1e-3}
# What it sees, as it was before that was an option.
LOOK: Final = {"sees": GREY, "image_size": None, "shape": SQUASH, "windows": "", "levels": LEVELS_KEPT}
KEPT: Final = (*LOOK, "members")


def recipe(base: ModelVersion | None) -> dict[str, Any]:
    """Settings of a run that goes on from a version, which keeps the size of its pictures and as many networks."""
    return {} if base is None else {**RECIPE, "members": 1, **_params(base, KEPT)}


def kept(base: ModelVersion | None, options: Mapping[str, Any]) -> seeing.Sight | None:
    """What the version sees; None where none is continued. Invalid where an option asks for something else: its weights have
    learned from this and nothing else."""
    if base is None:
        return None
    look = {**LOOK, **_params(base, tuple(LOOK))}
    for name, value in look.items():
        wanted = options.get(name)
        if wanted is not None and value is not None and not _same(name, wanted, value):
            had = seeing.words(look["sees"], look["windows"], look["image_size"], look["shape"], look["levels"])
            raise Invalid(
                f"{base.code} sees {had}; a run that continues from it sees the same. "
                f"Leave {name} out, or start without a model.",
                attr=name,
            )
    return seeing.Sight(look["sees"], look["windows"], look["shape"], f"as {base.code} does", look["levels"])


def _same(name: str, wanted: Any, value: Any) -> bool:
    if name != "windows":
        return bool(wanted == value)
    try:
        return read_windows(wanted) == read_windows(value)
    except ValueError as error:
        raise Invalid(f"windows: {error}.", attr="windows") from error


def _params(base: ModelVersion, names: Collection[str]) -> dict[str, Any]:
    """What the version was told, as far as it was told that."""
    params = cast("dict[str, Any]", base.card.get("training", {})).get("params", {})
    return {name: params[name] for name in names if name in params}
