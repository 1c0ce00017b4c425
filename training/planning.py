"""From what was asked for to one complete configuration, before anything is written.

PyTorch is imported here when the first run is asked for, so that a web process that starts none stays small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from django.conf import settings

from images.models import Project
from labeling.datasets import apart
from mediscan_site.core.errors import Conflict, Invalid
from models_registry.inference.names import ARCHITECTURES, GREY, PRETRAINABLE, WINDOWS
from training import continuing, estimating, processes, seeing
from training.choosing import Choice, Machine, choose
from training.engine.config import ConfigError, TrainConfig
from training.engine.recipe import default_config, larger_side
from training.scans import Scans
from training.wishes import AUTO, FALSE, TRUE, Wishes

PRETRAINED, CONTINUED, SCRATCH = "pretrained", "continued", "scratch"


@dataclass(frozen=True)
class Stated:
    """What the project said of its scans and of prediction sets when the run was asked for. `expected_prevalence`: shares by
    the id of the class as text, empty where none is expected; `conformal_target`: a share."""

    expected_prevalence: dict[str, float]
    conformal_target: float

    def shares(self, classes: Sequence[Mapping[str, Any]]) -> tuple[float, ...] | None:
        """The expected share of each of the classes ({"id", …}), in their order; None where none is expected."""
        stated = self.expected_prevalence
        return tuple(stated[str(entry["id"])] for entry in classes) if stated else None


# What a run is told that the engine is not: it makes no difference to the weights.
_STATED: Final = tuple(field.name for field in fields(Stated))
_NOTES: Final = ("initialisation", "initialisation_note", "plan_note", *_STATED)


@dataclass(frozen=True)
class _Start:
    """The weights a run starts from, and why in a sentence."""

    kind: str
    note: str


@dataclass(frozen=True)
class Plan:
    """A run before it is asked for. `config`: what it will be told, complete. `device`: what will train it, as far as this process
    knows. `note`: what it sees and why, and how long it will take, in one sentence."""

    config: dict[str, Any]
    estimate: estimating.Estimate
    device: str = ""

    @property
    def note(self) -> str:
        return str(self.config["plan_note"])


def foresee(project: Project, wishes: Wishes, scans: Scans) -> Plan:
    """The plan of a run on these scans.

    Raises Invalid naming the field that is out of range or does not fit the scans, or Conflict `weights_missing`.
    """
    seen = _sight(project, wishes, scans)
    config = plan(project, wishes, n_train=len(scans.training), picture_side=scans.usual_side, sight=seen)
    unlabelled = apart.at_most(project) if config["self_supervised"] else 0
    counts = estimating.Counts(
        len(scans.training), scans.validation, scans.test, unlabelled=unlabelled, frames=scans.pictures - scans.count
    )
    device = _machine().device
    layout = processes.possible(config, len(scans.training))
    took = estimating.estimate(config, counts, device, layout)
    return Plan({**config, "plan_note": _sentence(config, seen.why, took.words())}, took, device)


def plan(
    project: Project,
    wishes: Wishes,
    *,
    n_train: int,
    picture_side: int | None = None,
    sight: seeing.Sight | None = None,
) -> dict[str, Any]:
    """The run's `config`: every setting of the engine, and what the weights start from.

    `picture_side`: the usual longer side of the originals in pixels, None when it is not known. `sight`: what it sees of the
    scans; None where no scans are known.

    Raises Invalid naming the field that is out of range, or Conflict `weights_missing`.
    """
    machine = _machine()
    seen = sight or _sight(project, wishes)
    choice = _choice(wishes, machine, n_train, wishes.get("image_size") or picture_side, seen.sees)
    start = _start(choice, wishes)
    try:
        config = _config(project, wishes, choice.architecture, start, machine.device, n_train, picture_side, seen)
    except ConfigError as error:
        raise Invalid(f"{error.field} {error.message}.", attr=error.field) from error
    if wishes.larger and wishes.get("image_size") is None:
        wishes = wishes.sized(larger_side(config.image_size, picture_side))
        return plan(project, wishes, n_train=n_train, picture_side=picture_side, sight=seen)
    stated = Stated(project.expected_prevalence, project.conformal_target)
    return {**config.to_dict(), "initialisation": start.kind, "initialisation_note": start.note, **asdict(stated)}


def _sentence(config: Mapping[str, Any], why: str, took: str) -> str:
    seen = seeing.words(config["sees"], config["windows"], config["image_size"], config["shape"], config["levels"])
    return f"Sees {seen}: {why}; {took}."


def require_possible(wishes: Wishes, scans: Scans) -> None:
    """Invalid where the scans cannot be seen as was asked, or as the version does that is continued."""
    kept = continuing.kept(wishes.base_model, wishes.options)
    seeing.require_possible(seeing.Asked(kept.sees, kept.windows) if kept else _asked(wishes), scans)


def _sight(project: Project, wishes: Wishes, scans: Scans | None = None) -> seeing.Sight:
    if scans is not None:
        require_possible(wishes, scans)
    kept = continuing.kept(wishes.base_model, wishes.options)
    return kept or seeing.decide(_asked(wishes), usual_shape=project.picture_shape, scans=scans)


def _asked(wishes: Wishes) -> seeing.Asked:
    return seeing.Asked(*(wishes.get(name) for name in ("sees", "windows", "shape", "levels")))


def engine_config(config: dict[str, Any]) -> TrainConfig:
    """The engine's part of a run's `config`."""
    return TrainConfig.from_dict({name: value for name, value in config.items() if name not in _NOTES})


def stated(config: Mapping[str, Any]) -> Stated:
    """The project's part of a run's `config`."""
    return Stated(**{name: config[name] for name in _STATED})


def _machine() -> Machine:
    """Where the run will be trained, as far as this process knows: the worker may be on another machine."""
    from training.engine import weights
    from training.engine.device import Device

    folder = settings.WEIGHTS_DIR or None
    available = [name for name in PRETRAINABLE if weights.find(name, folder) is not None]
    return Machine(device() or Device.of().name, available)


def device() -> str | None:
    """The device that TRAINING_DEVICE names; None for the best that a machine has."""
    return None if settings.TRAINING_DEVICE == AUTO else settings.TRAINING_DEVICE


def _choice(wishes: Wishes, machine: Machine, n_train: int, side: int | None, sees: str) -> Choice:
    wanted = wishes.switch("pretrained")
    base, named = wishes.base_model, wishes.get("architecture")
    if base is None:
        if named:
            return Choice(named)
        return choose(
            machine,
            n_train=n_train,
            image_size=side,
            from_scratch=wanted == FALSE,
            only_pretrained=wanted == TRUE,
            sees=sees,
        )
    if named and named != base.architecture:
        raise Invalid(
            f"{base.code} is a {base.architecture}; a run that continues from it cannot be a {named}. "
            "Leave architecture out, or start without a model.",
            attr="architecture",
        )
    return Choice(base.architecture)


def _start(choice: Choice, wishes: Wishes) -> _Start:
    wanted = wishes.switch("pretrained")
    if wishes.base_model is not None:
        if wanted == TRUE:
            raise Invalid(
                "A run that continues from a model does not start from pre-trained weights.", attr="pretrained"
            )
        return _Start(CONTINUED, f"Continues from {wishes.base_model.code}.")
    name = choice.architecture
    because = f" ({choice.why})" if choice.why else ""
    missing = _missing_weights(name)
    if wanted == TRUE and missing:
        raise Conflict(missing, code="weights_missing", attr="pretrained")
    if wanted == FALSE:
        return _Start(SCRATCH, f"From scratch, as asked, with {name}{because}.")
    if missing:
        lack = "no pre-trained weights in WEIGHTS_DIR" if name in PRETRAINABLE else "it has no pre-trained weights"
        return _Start(SCRATCH, f"From scratch with {name}{because}: {lack}.")
    return _Start(PRETRAINED, f"Transfer learning from ImageNet weights of {name}{because}.")


def _missing_weights(architecture: str) -> str:
    """Why there are no pre-trained weights on this machine, with the remedy; empty when there are. Nothing is fetched."""
    from training.engine import weights

    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise Invalid(
            f"architecture must be one of {known}, got {architecture!r}.", attr="architecture", code="invalid_choice"
        )
    try:
        if weights.find(architecture, settings.WEIGHTS_DIR or None) is not None:
            return ""
        weights.load_pretrained(architecture, weights_dir=settings.WEIGHTS_DIR or None, allow_download=False)
    except weights.WeightsMissing as error:
        return str(error)
    return ""


def _config(
    project: Project,
    wishes: Wishes,
    architecture: str,
    start: _Start,
    device: str,
    n_train: int,
    side: int | None,
    seen: seeing.Sight,
) -> TrainConfig:
    recipe = default_config(
        n_train,
        start.kind == PRETRAINED,
        device,
        architecture=architecture,
        seed=wishes.options.get("seed", 0),
        allow_flips=not project.laterality_matters,
        picture_side=side,
        image_size=wishes.get("image_size"),
        epochs=wishes.get("epochs"),
        # Windows are named below; of how many channels there are, the recipe needs to know no more.
        sees=GREY if seen.sees == WINDOWS else seen.sees,
        any_angle=not project.orientation_matters,
    )
    values = {**recipe.to_dict(), **continuing.recipe(wishes.base_model), "coverage_target": project.coverage_target}
    values |= {"sees": seen.sees, "shape": seen.shape, "levels": seen.levels}
    if wishes.get("epochs") is not None or wishes.get("folds"):
        # Who names a length means one training of it; folds multiply what every network costs.
        values["members"] = 1
    values.update(wishes.settled(), architecture=architecture, windows=seen.windows)
    if values["folds"] and wishes.base_model is not None:
        raise Invalid(
            f"{wishes.base_model.code} has learned from the scans that the folds hold out. Leave folds out, or start from scratch.",
            attr="folds",
        )
    if values["self_supervised"] and wishes.base_model is not None:
        raise Invalid(
            f"{wishes.base_model.code} can see already. Leave self_supervised out, or start without a model.",
            attr="self_supervised",
        )
    if isinstance(values["epochs"], int):
        # A short run keeps at least half of its epochs for the whole network.
        values["frozen_epochs"] = max(0, min(values["frozen_epochs"], values["epochs"] // 2))
    return TrainConfig.from_dict(values)
