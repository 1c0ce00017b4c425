"""What is asked of the pictures of a scan, and what the headers of an answer say of its pixels."""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from images.models import RenditionKind

# The derivative and the ending of its file, by the size that is asked for.
SIZES: Final = {"full": (RenditionKind.VIEW, "png"), "thumbnail": (RenditionKind.THUMBNAIL, "jpg")}
FRAME: Final = OpenApiParameter("number", int, OpenApiParameter.PATH, description="The frame or page, from 1.")


class FrameSizeSerializer(serializers.Serializer[Any]):
    size = serializers.ChoiceField(choices=tuple(SIZES), default="full")


class ViewFrameSerializer(serializers.Serializer[Any]):
    frame = serializers.IntegerField(
        min_value=0, default=0, help_text="The frame or page, from 1; 0 is the one that stands for the scan."
    )


class SameSerializer(serializers.Serializer[Any]):
    same = serializers.BooleanField(
        default=False,
        help_text="More of a scan that you opened within the last hour, such as another of its frames: no further opening is "
        "written down.",
    )


class PixelsQuerySerializer(ViewFrameSerializer, SameSerializer):
    pass


class FrameQuerySerializer(FrameSizeSerializer, SameSerializer):
    pass


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=description, response=[200, 304]
    )


PIXEL_HEADERS: Final = (
    _header("Pixel-Slope", "A pixel p stands for p × slope + intercept."),
    _header("Pixel-Intercept", "See Pixel-Slope."),
    _header("Pixel-Window", "The values that pages show black and white."),
    _header("Pixel-Note", "Why a scan of more than 8 bits is given with 8, where that is so."),
)

PIXEL_FACTS: Final = "Pixel-Facts"
PIXEL_FACTS_HEADER: Final = _header(
    PIXEL_FACTS,
    "JSON: kind (grey16, grey8 or rgb8), columns, rows, slope, intercept, window (the values that pages show black and white), "
    "windows of the file, padding (first and last pixel that is none), aspect (a pixel's height by its width), spacing (source, "
    "row, column in millimetres, at), regions of an ultrasound picture, file_columns and file_rows (to which spacing and regions "
    "belong), note.",
)


def pixel_headers(facts: Mapping[str, Any]) -> dict[str, str]:
    """The values of `PIXEL_HEADERS`. `facts`: of a view for learning."""
    headers = {
        "Pixel-Slope": repr(float(facts["slope"])),
        "Pixel-Intercept": repr(float(facts["intercept"])),
        "Pixel-Window": ", ".join(repr(float(value)) for value in facts["window"]),
    }
    return headers | ({"Pixel-Note": facts["note"]} if facts.get("note") else {})
