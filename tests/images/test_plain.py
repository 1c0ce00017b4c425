"""A picture file without anything but its picture: every pixel stays, every word goes."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence, PngImagePlugin

from images.decoding import formats
from images.plain import NotPlain
from tests.conftest import scan_bytes

SECRET = b"DOE^JANE 19700101"


def plain(data: bytes) -> bytes:
    """What an export holds of a file."""
    return formats.picture(formats.sniff(data) or "").clean(data)


def pixels(data: bytes):
    return [(page.mode, np.asarray(page)) for page in ImageSequence.Iterator(Image.open(io.BytesIO(data)))]


def assert_same_picture(left: bytes, right: bytes) -> None:
    for (mode, before), (other, after) in zip(pixels(left), pixels(right), strict=True):
        assert mode == other
        assert np.array_equal(before, after)


def noise(mode: str) -> Image.Image:
    grey = Image.fromarray(np.random.default_rng(1).integers(0, 256, (70, 131), dtype=np.uint8))
    if mode == "I;16":
        return Image.fromarray(np.asarray(grey).astype("uint16") * 257)
    return grey.convert(mode)


def saved(image: Image.Image, form: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E] = SECRET.decode()
    return tags


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_loses_exif_comment_profile_and_tail(mode, progressive):
    options = {"exif": exif(), "comment": SECRET, "icc_profile": SECRET, "progressive": progressive}
    clean = saved(noise(mode), "JPEG", progressive=progressive)
    data = saved(noise(mode).copy(), "JPEG", **options) + SECRET
    assert data.count(SECRET) == 4
    made = plain(data)
    assert SECRET not in made
    assert_same_picture(data, made)
    assert plain(clean) == clean


def test_the_thumbnail_in_a_jpeg_header_goes():
    clean = scan_bytes(1)
    header = b"\xff\xe0" + struct.pack(">H", 16 + 3 * 6) + clean[6:18] + bytes([2, 3]) + SECRET.ljust(18)
    assert plain(clean[:2] + header + clean[20:]) == clean


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_loses_its_text_and_unknown_chunks(mode):
    words = PngImagePlugin.PngInfo()
    words.add_text("Patient", SECRET.decode())
    words.add_text("Long", SECRET.decode() * 9, zip=True)
    words.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    words.add(b"prVt", SECRET, after_idat=True)
    clean = saved(noise(mode), "PNG")
    data = saved(noise(mode), "PNG", pnginfo=words, exif=exif(), icc_profile=SECRET) + SECRET
    made = plain(data)
    assert SECRET not in made
    assert zlib.compress(SECRET) not in made
    assert_same_picture(data, made)
    assert not Image.open(io.BytesIO(made)).info.keys() & {"exif", "icc_profile", "Patient"}
    assert plain(clean) == clean


@pytest.mark.parametrize("big_tiff", [False, True], ids=["classic", "big"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_tiff_keeps_pixels_and_loses_words(mode, compression, big_tiff):
    bilevel = compression == "group4"
    if bilevel != (mode == "1") or (compression == "jpeg" and mode not in ("L", "RGB", "CMYK")):
        bilevel = mode == "1"
        compression = None
    data = saved(
        noise(mode), "TIFF", compression=compression, big_tiff=big_tiff, description=SECRET.decode(), exif=exif()
    )
    made = plain(data + SECRET)
    assert SECRET in data
    assert SECRET not in made
    assert_same_picture(data, made)


def test_all_pages_of_a_tiff_stay():
    pages = [noise("L"), noise("RGB"), noise("I;16")]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], software=SECRET.decode())
    made = plain(data)
    assert SECRET not in made
    assert len(pixels(made)) == 3
    assert_same_picture(data, made)


def test_pages_in_a_circle_are_refused():
    data = bytearray(saved(noise("L"), "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    with pytest.raises(NotPlain, match="circle"):
        plain(bytes(data))


@given(st.data())
def test_whatever_is_damaged_is_refused_or_taken_apart(data):
    name = data.draw(st.sampled_from(formats.PICTURES))
    whole = bytearray(scan_bytes(1) if name == "JPEG" else saved(noise("L").resize((9, 9)), name))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(NotPlain):
        assert len(formats.picture(name).clean(cut)) <= len(cut) + 1024


def test_the_shared_files_keep_their_pixels(shared_data):
    readable = 0
    for path in sorted((shared_data / "broken").iterdir()):
        data = path.read_bytes()
        if not data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*")):
            continue
        try:
            before = pixels(data)
        except Exception:  # noqa: S112 -- a file that shows nothing is not stored either
            continue
        readable += 1
        assert np.array_equal(before[0][1], pixels(plain(data))[0][1]), path.name
    assert readable >= 10
