"""What an IOD demands of the elements that de-identification takes away: the profile's choices (`X/Z/D`) are decided by it.

`iod_types.csv` holds, of the attribute tables of PS3.3 for images (as highdicom 0.28 gives them), the elements that are removed
or emptied here although some IOD has them as type 1 or 2 (PS3.5 section 7.4; 1C and 2C count as 1 and 2, as the received file
has the element). parent: the sequence that an element is directly in, empty for none, `*` for any; classes: the SOP classes
below 1.2.840.10008.5.1.4.1.1, `*` for all.
"""

import csv
from pathlib import Path
from typing import Final, Literal

Demand = Literal["", "1", "2"]

_TABLE: Final = Path(__file__).with_name("iod_types.csv")
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_ANY: Final = "*"
# Equal values of these tell that things belong together, so they get equal dummies.
_LABELS: Final = ("ID", "Identifier", "Label", "LabelVector")


def _load() -> dict[tuple[str, str], list[tuple[Demand, frozenset[str]]]]:
    rows: dict[tuple[str, str], list[tuple[Demand, frozenset[str]]]] = {}
    with _TABLE.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            demand: Demand = "1" if row["type"] == "1" else "2"
            rows.setdefault((row["keyword"], row["parent"]), []).append((demand, frozenset(row["classes"].split())))
    return rows


_DEMANDS: Final = _load()


def demand(sop_class: str, parent: str, keyword: str) -> Demand:
    """'1': the element may not be empty; '2': it may, and may not be absent; '': it may be absent."""
    own = sop_class.removeprefix(_STORAGE)
    for classes_of in (_DEMANDS.get((keyword, parent)), _DEMANDS.get((keyword, _ANY))):
        for wanted, classes in classes_of or ():
            if _ANY in classes or own in classes:
                return wanted
    return ""


def is_label(keyword: str) -> bool:
    return keyword.endswith(_LABELS)


def only_refers(keyword: str) -> bool:
    """Whether a sequence refers to other objects by UIDs, which are replaced: then it says nothing and can stay."""
    return keyword.startswith("Referenced") and keyword.endswith("Sequence")
