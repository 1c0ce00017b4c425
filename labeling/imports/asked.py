"""What an import asks of labels files that name several findings: whether a scan has a certain one. Pure."""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from images.services.meaning import Classes
from labeling.imports.dialects import AUTO
from labeling.imports.texts import ManifestError

MAX_FINDING: Final = 100
FINDING_HELP: Final = (
    "For labels files that name several findings a scan: the one that is asked for, as they write it. Scans that have it get the "
    "class of that name, the others the project's other class."
)
_NAMED: Final = 8


@dataclass(frozen=True)
class Asked:
    """`dialect`: how labels files are read. `finding`: the one that is asked for, as they write it; empty for none."""

    dialect: str = AUTO
    finding: str = ""


@dataclass(frozen=True)
class Finding:
    """`name`: as the labels file writes it. `positive` and `negative`: the classes of scans that have it and that have not."""

    name: str
    positive: str
    negative: str

    @classmethod
    def of(cls, name: str, classes: Classes) -> "Finding | None":
        """ManifestError unless the project has two classes, one of them of this name."""
        if not name:
            return None
        wanted = _plain(name)
        same = [one for one in classes.active if _plain(one) == wanted]
        others = [one for one in classes.active if one not in same]
        if len(same) != 1 or len(others) != 1:
            raise ManifestError(
                f"To tell the scans with '{name}' from the others, the project needs two classes, one of them called so. It "
                f"has: {', '.join(classes.active)}. Make such a project, or leave the finding out."
            )
        return cls(name, same[0], others[0])

    def is_named(self, written: str) -> bool:
        return _plain(written) == _plain(self.name)

    def answer(self, labels: Collection[str]) -> str:
        """The class of a scan with these findings."""
        return self.marked(any(map(self.is_named, labels)))

    def marked(self, has_it: bool) -> str:  # noqa: FBT001 -- the answer of a mark
        return self.positive if has_it else self.negative

    def says(self) -> str:
        return (
            f"A row that names {self.name} is {self.positive}; a row that names others, or says that there are none, is "
            f"{self.negative}; a row that names nothing is no label."
        )

    def missing(self, named: Collection[str]) -> str:
        shown = ", ".join(sorted(named, key=str)[:_NAMED])
        return f"The labels file never names '{self.name}'. It names: {shown or 'nothing'}. Write it as the file does."[
            :260
        ]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
