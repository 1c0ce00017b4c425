"""Which dialect a labels file is written in. Pure."""

from collections.abc import Sequence
from typing import Final

from labeling.imports.dialects.paths import PATH_DIALECTS
from labeling.imports.dialects.table import DIALECTS, IMAGE_COLUMNS, ONE_HOT, PLAIN, Dialect
from labeling.imports.texts import ManifestError

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


def choose(header: Sequence[str], wanted: str = AUTO, classes: Sequence[str] = ()) -> Dialect:
    """The dialect of a file with these columns: the wanted one, or the only one that they fit. `classes`: the project's, by which a
    file with a column for each is recognised. ManifestError with the remedy."""
    columns = frozenset(name.lower() for name in header)
    if PLAIN.fits(columns):
        _require_one_image(columns)
    fitting = [dialect for dialect in DIALECTS if dialect.fits(columns)]
    if wanted != AUTO:
        chosen = [dialect for dialect in DIALECTS if dialect.name == wanted]
        return _require(chosen[0], header, columns) if chosen else PLAIN
    if PLAIN in fitting:
        return PLAIN
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and _is_one_hot(columns, classes):
        return ONE_HOT
    if fitting:
        names = ", ".join(dialect.name for dialect in fitting)
        raise ManifestError(f"The labels file could be of several data sets ({names}). Choose the dialect.")
    raise ManifestError(f"The labels file needs the columns image_id and label in its first line. {_seen(header)}")


def _require_one_image(columns: frozenset[str]) -> None:
    named = [name for name in IMAGE_COLUMNS if name in columns]
    if "image_id" not in columns and len(named) > 1:
        raise ManifestError(
            f"The labels file has several columns that may name the picture ({', '.join(named)}). Call the right one image_id."
        )


def _is_one_hot(columns: frozenset[str], classes: Sequence[str]) -> bool:
    """One column that names the picture, and one for each class."""
    images = [name for name in ONE_HOT.image if name in columns]
    return bool(classes) and len(images) == 1 and all(name.lower() in columns for name in classes)


def _require(dialect: Dialect, header: Sequence[str], columns: frozenset[str]) -> Dialect:
    if dialect is not ONE_HOT and not dialect.fits(columns):
        forms = " or ".join(", ".join(sorted(needed)) for needed in dialect.needs)
        raise ManifestError(
            f"The labels file is not of {dialect.title}, which has the columns {forms}. {_seen(header)}"
        )
    return dialect


def _seen(header: Sequence[str]) -> str:
    shown = [name[:30] for name in header[:MAX_NAMED] if name]
    more = ", …" if len(header) > MAX_NAMED else ""
    return f"It has: {', '.join(shown) or 'none'}{more}. {_REMEDY}"[:260]
