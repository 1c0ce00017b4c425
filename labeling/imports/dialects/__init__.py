"""Labels files of public data sets, as they are published: which columns say what. One row of `DIALECTS` for each.

A dialect is recognised by columns that only its files have; a wrong guess is worse than none, so nothing is guessed from names
that many files share.
"""

from labeling.imports.dialects.choosing import AUTO, CHOICES, NAMES, choose
from labeling.imports.dialects.paths import PATH_DIALECTS, PathDialect, of_paths
from labeling.imports.dialects.table import COLUMNS, DIALECTS, LISTED, LISTS, PLAIN, Dialect

__all__ = [
    "AUTO",
    "CHOICES",
    "COLUMNS",
    "DIALECTS",
    "LISTED",
    "LISTS",
    "NAMES",
    "PATH_DIALECTS",
    "PLAIN",
    "Dialect",
    "PathDialect",
    "choose",
    "of_paths",
]
