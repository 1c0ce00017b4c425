"""Which dialect a labels file is written in. Pure."""

from collections.abc import Sequence
from typing import Final

from labeling.imports.dialects.paths import PATH_DIALECTS
from labeling.imports.dialects.table import DIALECTS, PLAIN, Dialect
from labeling.imports.tables import ManifestError

AUTO: Final = "auto"
NPZ: Final = ("medmnist", "MedMNIST (.npz)")
CHOICES: Final = (
    (AUTO, "recognised by its columns"),
    *((dialect.name, dialect.title) for dialect in DIALECTS),
    *((dialect.name, dialect.title) for dialect in PATH_DIALECTS),
    NPZ,
)
NAMES: Final = tuple(name for name, _ in CHOICES)
MAX_NAMED: Final = 12
_REMEDY: Final = "Rename them to image_id and label, or choose the dialect that it is written in."


def choose(header: Sequence[str], wanted: str = AUTO) -> Dialect:
    """The dialect of a file with these columns: the wanted one, or the only one that they fit. ManifestError with the remedy."""
    columns = frozenset(name.lower() for name in header)
    fitting = [dialect for dialect in DIALECTS if dialect.fits(columns)]
    if wanted != AUTO:
        chosen = [dialect for dialect in DIALECTS if dialect.name == wanted]
        return _require(chosen[0], header, columns) if chosen else PLAIN
    if PLAIN in fitting:
        return PLAIN
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(dialect.name for dialect in fitting)
        raise ManifestError(f"The labels file could be of several data sets ({names}). Choose the dialect.")
    raise ManifestError(f"The labels file needs the columns image_id and label in its first line. {_seen(header)}")


def _require(dialect: Dialect, header: Sequence[str], columns: frozenset[str]) -> Dialect:
    if not dialect.fits(columns):
        forms = " or ".join(", ".join(sorted(needed)) for needed in dialect.needs)
        raise ManifestError(
            f"The labels file is not of {dialect.title}, which has the columns {forms}. {_seen(header)}"
        )
    return dialect


def _seen(header: Sequence[str]) -> str:
    shown = [name[:30] for name in header[:MAX_NAMED] if name]
    more = ", …" if len(header) > MAX_NAMED else ""
    return f"It has: {', '.join(shown) or 'none'}{more}. {_REMEDY}"[:260]
