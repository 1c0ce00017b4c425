"""One decode of an untrusted file, and everything MediScan keeps of it. Runs in a decoder child only.

A loader per kind of file brings it to 8-bit grey or RGB, upright, less than 4096 pixels long; all outputs are made
from that one picture.
"""

import io
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from PIL import Image

from images.decoding import pages, pictures, verify, whole, writing
from images.decoding.dicom import frames, loading
from images.decoding.dicom.shape import ALIKE
from images.decoding.errors import Undecodable
from images.decoding.facts import Facts
from images.decoding.job import Job
from images.decoding.own import Own
from images.decoding.phash import phash
from images.decoding.result import TILE_SIDE, VIEW_SIDE
from images.decoding.shaping import RENDITION_SIDE, fit, fitting
from images.decoding.viewing import packed
from images.decoding.whole import Whole

THUMBNAIL_SIDE: Final = 256
TEXT_LIKE: Final = "text_like_border"
# By the formats of which FORMATS says that they split.
_SPLITTERS: Final = {"DICOM": frames.split, "TIFF": pages.split}
# Somebody waits for an upload: Pillow and numpy let two threads calculate at the same time.
_beside: Final = ThreadPoolExecutor(1)
# On radiographs a fifth of the time of level 6, and smaller.
_RUN_LENGTH: Final = {"compress_level": 1, "compress_type": zlib.Z_RLE}
_FILTERED: Final = {"compress_level": 1}


def render(data: bytes, job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Decode a file that sniffs as `job.format`: the JSON part and the byte parts of `Decoded`. Raises Undecodable."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if job.only_identity:
                return {"identity": loading.told(data, job)}, {}
            if job.split_from is not None:
                return _split(data, job, job.split_from)
            picture, facts, kept = _load(data, job)
        except (Undecodable, MemoryError):
            raise
        # A parser of hostile input may raise anything; every one of them means that the file cannot be read.
        except Exception as error:
            raise verify.explain(error, data, job.format) from error
    if any("exif" in str(warning.message).lower() for warning in caught):
        facts.notes.append("The EXIF block of the file is damaged and was ignored.")
    return ({}, {"pixels": _whole(picture, facts)}) if job.pixels else _derived(picture, facts, kept, job)


def _derived(
    picture: Image.Image, facts: Facts, kept: loading.Kept, job: Job
) -> tuple[dict[str, Any], dict[str, bytes]]:
    grey = picture if picture.mode == "L" else picture.convert("L")
    beside = _beside.submit(_looked_at, picture, grey, is_held=bool(kept.hold))
    header, parts = _outputs(picture, grey, facts, rendition=job.rendition)
    if job.learning:
        parts["learning"] = _learned(picture, facts)
    has_writing, parts["thumbnail"] = beside.result()
    if has_writing:
        kept.hold = TEXT_LIKE
    return header | kept.facts(), parts | {"stored": kept.stored}


def _split(data: bytes, job: Job, first: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The number of frames, and as files of their own those from `first` on that go into one answer."""
    parts = _SPLITTERS[job.format](data, job, first)
    return {"count": parts.count}, {str(number): file for number, file in enumerate(parts.files)}


def _load(data: bytes, job: Job) -> tuple[Image.Image, Facts, loading.Kept]:
    if job.format == "DICOM":
        return loading.load(data, job)
    return *pictures.load(data, job), loading.Kept()


def _looked_at(picture: Image.Image, grey: Image.Image, *, is_held: bool) -> tuple[bool, bytes]:
    """Whether there is writing near the border, unless the scan is held anyway, and the thumbnail."""
    small = fit(picture, THUMBNAIL_SIDE, gap=1.0)
    if small is picture:
        small = picture.copy()  # saving leaves its marks on an image, and the other thread saves this one too
    return not is_held and writing.near_border(grey), _encoded(small, "JPEG", quality=85)


def _outputs(
    picture: Image.Image, grey: Image.Image, facts: Facts, *, rendition: bool
) -> tuple[dict[str, Any], dict[str, bytes]]:
    tile = grey.resize((TILE_SIDE, TILE_SIDE), Image.Resampling.BILINEAR)
    shown_size = fitting(picture.size, RENDITION_SIDE)
    if max(facts.size) > RENDITION_SIDE:
        shown, full = (f"{width} × {height}" for width, height in (shown_size, facts.size))
        facts.notes.append(f"Pages show the picture at {shown} instead of {full} pixels.")
    header = {
        "format": facts.format, "width": facts.size[0], "height": facts.size[1], "mode": facts.mode,
        "bits": facts.bits, "frames": facts.frames, "named_frame": facts.named, "orientation": facts.orientation,
        "notes": list(dict.fromkeys(facts.notes)), "phash": phash(tile),
        "rendition_width": shown_size[0], "rendition_height": shown_size[1],
    }  # fmt: skip
    return header, {
        "rendition": _encoded(fit(picture, RENDITION_SIDE), "PNG", **_RUN_LENGTH) if rendition else b"",
        "tile": tile.tobytes(),
    }


def _learned(picture: Image.Image, facts: Facts) -> bytes:
    """The view for learning, as `images.learning` reads it: of the file's own values where it has more than 8 bits of grey, else
    of the picture that pages show."""
    if isinstance(facts.own, Own) and (own := facts.own.view(fitting(picture.size, VIEW_SIDE))):
        return packed(own[0], _encoded(own[1], "PNG", **_FILTERED))
    small = fit(picture, VIEW_SIDE)
    pixels = _encoded(small.copy() if small is picture else small, "PNG", **_RUN_LENGTH)
    note = {"note": facts.own.note} if facts.own is not None and facts.own.note else {}
    return packed({"slope": 1.0, "intercept": 0.0, "window": [0.0, 255.0], **note}, pixels)


def _whole(picture: Image.Image, facts: Facts) -> bytes:
    """What a viewer shows, at full size, as `images.pixels` reads it: the file's own values where it has more than 8 bits of grey,
    else the picture, as PNG."""
    own, told = facts.own, {"windows": [], "spacing": None, "regions": []} | facts.told
    if isinstance(own, Whole) and own.pixels is not None:
        rows, columns = own.pixels.shape
        header, body = {"kind": "grey16", "note": ""} | own.facts, whole.packed(own.pixels)
    else:
        (columns, rows), full = picture.size, {"slope": 1.0, "intercept": 0.0, "window": [0.0, 255.0], "padding": None}
        kind, note = "grey8" if picture.mode == "L" else "rgb8", own.note if own else ""
        header, body = full | {"kind": kind, "note": note}, _encoded(picture, "PNG", **_RUN_LENGTH)
    # A pixel's height by its width: the picture is stretched to its true shape already.
    aspect = picture.size[1] * columns / (picture.size[0] * rows)
    aspect = aspect if abs(aspect - 1) > ALIKE else 1.0
    size = {
        "columns": columns,
        "rows": rows,
        "aspect": aspect,
        "file_columns": facts.size[0],
        "file_rows": facts.size[1],
    }
    return packed(size | told | header, body)


def _encoded(im: Image.Image, fmt: str, **options: Any) -> bytes:
    """The picture alone: nothing of the original file's metadata is passed on."""
    buffer = io.BytesIO()
    im.info.clear()
    im.save(buffer, fmt, **options)
    return buffer.getvalue()
