"""What a version said about its validation and test scans, number by number: the reference of all watching without labels."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Reference:
    """One entry for each validation scan, then each test scan, in one order: the predicted class (its id), its confidence, the
    distance as a share of the limit from which on a scan is referred, the spread of the networks, and whether it was referred.

    `distance` and `spread` are empty where they could not be measured. A version made before there were references has none.
    """

    prediction: tuple[int, ...]
    confidence: tuple[float, ...]
    distance: tuple[float, ...]
    spread: tuple[float, ...]
    referred: tuple[bool, ...]

    def to_json(self) -> dict[str, list[Any]]:
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Reference | None":
        """From `ModelVersion.reference`; None when the version has none."""
        return cls(**{name: tuple(values) for name, values in stored.items()}) if stored else None
