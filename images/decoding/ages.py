"""Which ages of a patient are kept, and which are believed at all. In years."""

from typing import Final

# Older people are few: their age tells who they are (45 CFR 164.514 (b)(2)(i)(C)). They are all written down as one year older.
OLDEST_KEPT: Final = 89
OLDER: Final = OLDEST_KEPT + 1
OLDEST_BELIEVED: Final = 130
