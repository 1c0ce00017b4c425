"""A word and what it means."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Term:
    """`word` as it stands on a page; `says`, one to three plain sentences, with an example where one helps."""

    word: Any
    says: Any
