"""Data sets whose file names say whose picture it is. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from labeling.imports.matching import ENDINGS, file_name

AUTO: Final = "auto"


@dataclass(frozen=True)
class PathDialect:
    """`pattern` fits the name of every picture and has a group `patient`; `labels`: the classes that a name may mean."""

    name: str
    title: str
    pattern: re.Pattern[str]
    labels: Callable[[re.Match[str]], Sequence[str]] = lambda _: ()


_TUMOURS: Final = {
    "A": "adenosis", "F": "fibroadenoma", "PT": "phyllodes_tumor", "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma", "LC": "lobular_carcinoma", "MC": "mucinous_carcinoma", "PC": "papillary_carcinoma",
}  # fmt: skip


def _tumour(match: re.Match[str]) -> Sequence[str]:
    return ("benign" if match["side"] == "B" else "malignant", _TUMOURS.get(match["kind"], ""))


PATH_DIALECTS: Final = (
    PathDialect(
        "kermany-oct",
        "Kermany OCT",
        re.compile(r"(?P<label>CNV|DME|DRUSEN|NORMAL)-(?P<patient>\d+)-\d+\.(?:jpe?g|png|tiff?)", re.IGNORECASE),
        lambda match: (match["label"].upper(),),
    ),
    PathDialect(
        "breakhis",
        "BreakHis",
        re.compile(r"SOB_(?P<side>[BM])_(?P<kind>[A-Z]{1,2})-(?P<patient>\d+-\w+)-(?:40|100|200|400)-\d+\.png"),
        _tumour,
    ),
)


def of_paths(paths: Iterable[str], wanted: str = AUTO) -> PathDialect | None:
    """The dialect whose pattern fits the names of all pictures."""
    names = [file_name(path) for path in paths if path[path.rfind(".") :].lower() in ENDINGS]
    for dialect in PATH_DIALECTS:
        if wanted in (AUTO, dialect.name) and names and all(dialect.pattern.fullmatch(name) for name in names):
            return dialect
    return None
