"""The JSON manifest inside a bundle: everything but the weights that decides what a model says."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, TypeVar

from models_registry.statistics.calibration import Calibration, Referral
from models_registry.statistics.conformal import Conformal
from models_registry.statistics.prior import Prior

from .knowing.facts import Knowing
from .names import ARCHITECTURES
from .poses import Poses
from .preprocess import Preprocess

# Of what sees tiles, of what sees more, and of what equalises levels or looks at turned scans too: a program that does not
# know the later ones would leave out what a manifest says of them, and answer wrongly. So it is to refuse them.
TILE_FORMAT, VIEW_FORMAT, POSED_FORMAT = 1, 2, 3
FORMATS = (TILE_FORMAT, VIEW_FORMAT, POSED_FORMAT)
RESEARCH_USE = "Research use only. Not a medical device; not for diagnosis."
MAX_CLASSES = 1000
MAX_MEMBERS = 5
_PACKAGES = ("torch", "torchvision", "numpy", "safetensors")


T = TypeVar("T")


class BundleError(ValueError):
    """The bytes are not a bundle that may be loaded; the message says why."""


@dataclass(frozen=True)
class ClassRef:
    """One class of the project: its stable database id and its name when the model was made."""

    id: int
    name: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle says about itself. `prevalence` is the share of each class among the training scans, in class order.

    `members`: networks of this architecture whose logits are averaged. A bundle of one network does not mention them.
    `flip_tta`, `turned_tta`: its answers are means over the scan mirrored, and turned by right angles.
    `prior`, `conformal` and `knowing` are None in a bundle that does not mention them: no correction, no prediction sets, no
    distance from what was learned.
    """

    architecture: str
    classes: tuple[ClassRef, ...]
    preprocess: Preprocess
    calibration: Calibration
    referral: Referral
    prevalence: tuple[float, ...]
    dataset_hash: str
    laterality_matters: bool = True
    flip_tta: bool = False
    turned_tta: bool = False
    code_version: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    intended_use: str = RESEARCH_USE
    members: int = 1
    prior: Prior | None = None
    conformal: Conformal | None = None
    knowing: Knowing | None = None

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise BundleError(f"manifest: {problem}")

    @property
    def format_version(self) -> int:
        """The lowest that tells all of it."""
        at_any_angle = self.turned_tta or (self.knowing is not None and self.knowing.any_angle)
        if at_any_angle or self.preprocess.look.equalises:
            return POSED_FORMAT
        return VIEW_FORMAT if self.preprocess.needs_views else TILE_FORMAT

    @property
    def poses(self) -> Poses:
        """Over which every answer is averaged."""
        return Poses(mirrored=self.flip_tta, turned=self.turned_tta)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types only."""
        return {
            "format_version": self.format_version,
            "architecture": self.architecture,
            "classes": [{"id": c.id, "name": c.name} for c in self.classes],
            "preprocess": self.preprocess.to_dict(),
            "calibration": self.calibration.to_dict(),
            "referral": self.referral.to_dict(),
            "prevalence": list(self.prevalence),
            "dataset_hash": self.dataset_hash,
            "laterality_matters": self.laterality_matters,
            "flip_tta": self.flip_tta,
            "code_version": self.code_version,
            "packages": dict(self.packages),
            "intended_use": self.intended_use,
            **({"turned_tta": True} if self.turned_tta else {}),
            **({"members": self.members} if self.members > 1 else {}),
            **({"prior": self.prior.to_dict()} if self.prior else {}),
            **({"conformal": self.conformal.to_dict()} if self.conformal else {}),
            **({"knowing": self.knowing.to_dict()} if self.knowing else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Inverse of `to_dict`; `BundleError` names the field that is missing or wrong."""
        if not isinstance(data, Mapping):
            raise BundleError("manifest: it must be a JSON object")
        told = data.get("format_version")
        if isinstance(told, bool) or told not in FORMATS:
            raise BundleError(
                f"manifest: format_version must be one of {', '.join(map(str, FORMATS))}, got {told!r}; a newer release of "
                "MediScan may read it"
            )
        manifest = cls._read(data)
        if manifest.format_version != told:
            raise BundleError(
                f"manifest: format_version must be {manifest.format_version} for what it sees, got {told}"
            )
        return manifest

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Manifest:
        try:
            return cls(
                architecture=_typed(data, "architecture", str),
                classes=tuple(
                    ClassRef(_typed(c, "id", int), _typed(c, "name", str)) for c in _typed(data, "classes", list)
                ),
                preprocess=Preprocess.from_dict(_typed(data, "preprocess", dict)),
                calibration=Calibration.from_dict(_typed(data, "calibration", dict)),
                referral=Referral.from_dict(_typed(data, "referral", dict)),
                prevalence=tuple(float(p) for p in _typed(data, "prevalence", list)),
                dataset_hash=_typed(data, "dataset_hash", str),
                laterality_matters=_typed(data, "laterality_matters", bool),
                flip_tta=_typed(data, "flip_tta", bool),
                turned_tta=_typed({"turned_tta": False, **data}, "turned_tta", bool),
                code_version=_typed(data, "code_version", str),
                packages={str(k): str(v) for k, v in _typed(data, "packages", dict).items()},
                intended_use=_typed(data, "intended_use", str),
                members=_typed({"members": 1, **data}, "members", int),
                prior=Prior.from_dict(_typed(data, "prior", dict)) if "prior" in data else None,
                conformal=Conformal.from_dict(_typed(data, "conformal", dict)) if "conformal" in data else None,
                knowing=Knowing.from_dict(_typed(data, "knowing", dict)) if "knowing" in data else None,
            )
        except BundleError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise BundleError(f"manifest: {error}") from error


def _typed(data: Mapping[str, Any], name: str, kind: type[T]) -> T:
    if not isinstance(data, Mapping) or name not in data:
        raise BundleError(f"manifest: {name} is missing")
    value = data[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BundleError(f"manifest: {name} must be a JSON {kind.__name__}")
    return value


def _problem(m: Manifest) -> str:
    names = [c.name for c in m.classes]
    checks = (
        (m.architecture in ARCHITECTURES, f"architecture must be one of {', '.join(ARCHITECTURES)}"),
        (2 <= len(names) <= MAX_CLASSES, f"classes must have 2 to {MAX_CLASSES} entries"),
        (len(set(names)) == len(names) and all(names), "class names must be unique and not empty"),
        (len({c.id for c in m.classes}) == len(names), "class ids must be unique"),
        (len(m.prevalence) == len(names), "prevalence must have one entry per class"),
        (all(0 <= p <= 1 for p in m.prevalence), "prevalence entries must be in 0..1"),
        (not (m.flip_tta and m.laterality_matters), "flip_tta must be false where laterality matters"),
        (1 <= m.members <= MAX_MEMBERS, f"members must be 1 to {MAX_MEMBERS}"),
        (m.prior is None or m.prior.n_classes == len(names), "prior must have one share per class"),
        (m.conformal is None or m.conformal.n_classes == len(names), "conformal must have one threshold per class"),
        (m.knowing is None or m.knowing.means in (0, len(names)), "knowing must have one mean per class"),
        (
            m.knowing is None or not m.knowing.available or m.knowing.colour == m.preprocess.look.is_colour,
            "knowing must look at colours where the networks see them, and nowhere else",
        ),
        (bool(m.dataset_hash), "dataset_hash must not be empty"),
        (bool(m.intended_use), "intended_use must not be empty"),
    )
    return next((text for ok, text in checks if not ok), "")


def package_versions() -> dict[str, str]:
    """The versions a bundle records: Python and the numeric packages."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}
