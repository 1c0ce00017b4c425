"""What a page tells the viewer of a scan (static/js/viewer): where its pictures are, and what is known before they come."""

import json
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from images.decoding.shaping import RENDITION_SIDE
from images.models import Image, Metadata
from mediscan_site.core.models import User
from mediscan_site.core.preferences import value_of

_SHALLOW = 8


def look(scan: Image, frame: int = 0) -> dict[str, Any]:
    """As JSON in the page. `frame`: the one that is shown first, from 1; 0 of a scan of one picture."""
    several = scan.frames_shown > 1
    place = {"pk": scan.pk}
    shown = (
        reverse("image-frame", kwargs=place | {"number": frame}) if frame else reverse("image-rendition", kwargs=place)
    )
    return {
        "scan": scan.pk,
        "code": scan.code,
        "project": scan.project_id,
        "modality": scan.modality,
        "deep": scan.bits > _SHALLOW,
        "large": max(scan.width, scan.height) > RENDITION_SIDE,
        "dicom": scan.image_format == "DICOM",
        "frames": scan.frames_shown,
        "frame": frame if several else 0,
        "pixels": reverse("image-pixels", kwargs=place),
        "shown": shown,
        "columns": scan.width,
        "rows": scan.height,
        "spacing": _spacing(scan),
        "beside": reverse("scan_beside", args=[scan.pk]) if scan.patient or scan.study else "",
    }


def look_as_json(scan: Image, frame: int = 0) -> str:
    return json.dumps(look(scan, frame))


def own_windows(user: User | AnonymousUser) -> str:
    """The windows that the person keeps, as JSON."""
    return json.dumps(value_of(user, "window_presets"))


def _spacing(scan: Image) -> dict[str, Any] | None:
    try:
        known: Metadata = scan.metadata
    except Metadata.DoesNotExist:
        return None
    if known.pixel_spacing is None:
        return None
    return {"row": known.pixel_spacing, "column": known.pixel_spacing, "at": known.pixel_spacing_at, "source": ""}
