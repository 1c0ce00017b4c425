"""Words of the notes of a scan that are looked for later, as its row says the same nowhere else."""

from typing import Final

# Only whole slides have it: their frames are tiles, and no pictures of their own.
OF_TILES: Final = "tiles of a whole slide"
