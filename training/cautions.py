"""What a person should know of a run before and after it, beside what it was told."""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _

from images.models import Project

# Below this many pixels a side, what is small or fine in a radiograph is gone.
SMALL: Final = 128
RADIOGRAPH: Final = re.compile(r"x.?ray|radiogra|r\u00f6ntgen|mammo|\b(cr|dx|rx|mg)\b", re.IGNORECASE)


def of(project: Project, config: Mapping[str, Any]) -> list[str]:
    """Sentences, none where nothing is wrong."""
    size = config.get("image_size")
    if not isinstance(size, int) or size >= SMALL or not RADIOGRAPH.search(project.modality):
        return []
    told = _(
        "It sees each X-ray as a stamp of %(size)s by %(size)s pixels: small nodules and fine lines are gone. "
        "Choose %(enough)s or more where they matter; twice the size takes about four times as long."
    )
    return [told % {"size": size, "enough": SMALL}]
