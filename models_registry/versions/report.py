"""Reading one figure from the report of an evaluation. Pure."""

from collections.abc import Mapping
from typing import Any, Final

# By this name a report has of how many institutions its scans are; older ones do not.
INSTITUTIONS: Final = "institutions"


def figure(metrics: Mapping[str, Any] | None, name: str, bound: str = "value") -> float | None:
    """One number of a report: its `value`, or the `low` or `high` end of its interval; None when it is not available."""
    entry = (metrics or {}).get(name)
    number = entry.get(bound) if isinstance(entry, Mapping) else None
    return float(number) if isinstance(number, int | float) else None
