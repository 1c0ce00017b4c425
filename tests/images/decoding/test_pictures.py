"""What comes out of a good file, for each format and mode."""

import io
import struct
import zlib

import imagehash
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from images.decoding import Decoded
from tests.images.decoding.conftest import encode, gradient, noise, opened, png_of

ORIENTATION = 0x0112
MODES = {"JPEG": "L RGB CMYK", "PNG": "L RGB P 1 LA RGBA", "TIFF": "L RGB CMYK P 1 LA RGBA"}
SECRET = b"Jane Doe 1961-04-12"


def tile_of(decoded: Decoded) -> np.ndarray:
    return np.frombuffer(decoded.tile, np.uint8).reshape(256, 256)


def left_is_darker(pixels: np.ndarray) -> bool:
    """True for gradient(): the left quarter of the lower half against its right quarter."""
    lower = pixels[pixels.shape[0] // 2 :].astype(float)
    quarter = pixels.shape[1] // 4
    return bool(lower[:, :quarter].mean() + 100 < lower[:, -quarter:].mean())


def deep(low: int, high: int) -> np.ndarray:
    return np.tile(np.linspace(low, high, 200).astype(np.uint16), (100, 1))


@pytest.mark.parametrize(("fmt", "mode"), [(fmt, mode) for fmt, modes in MODES.items() for mode in modes.split()])
def test_every_mode_gives_a_grey_rendition_thumbnail_and_tile(pool, fmt, mode):
    source = gradient().convert("RGB").convert("CMYK") if mode == "CMYK" else gradient().convert(mode)
    decoded = pool.decode(encode(source, fmt))
    rendition, thumbnail = opened(decoded.rendition), opened(decoded.thumbnail)
    assert (decoded.format, decoded.width, decoded.height, decoded.bits, decoded.frames) == (fmt, 120, 80, 8, 1)
    assert (rendition.format, rendition.mode, rendition.size) == ("PNG", "L", (120, 80))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (120, 80))
    for pixels in (np.asarray(rendition), np.asarray(thumbnail), tile_of(decoded)):
        assert left_is_darker(pixels)


def test_a_lossless_grey_picture_keeps_every_pixel_in_its_rendition(pool):
    assert opened(pool.decode(encode(gradient(), "PNG")).rendition).tobytes() == gradient().tobytes()


def test_colours_stay_colours(pool):
    for source in (Image.new("RGB", (40, 40), (200, 30, 30)), Image.new("CMYK", (40, 40), (55, 225, 225, 0))):
        decoded = pool.decode(encode(source, "TIFF"))
        rendition = opened(decoded.rendition)
        assert rendition.mode == "RGB"
        assert rendition.getpixel((5, 5)) == (200, 30, 30)
    assert any("CMYK" in note for note in decoded.notes)


def test_a_cmyk_jpeg_is_not_shown_as_its_negative(pool):
    decoded = pool.decode(encode(Image.new("CMYK", (40, 40), (0, 0, 0, 20)), "JPEG"))
    assert tile_of(decoded).mean() > 200


def test_transparent_parts_are_black_and_said_to_be(pool):
    source = Image.new("RGBA", (40, 40), (255, 255, 255, 255))
    source.paste((255, 255, 255, 0), (0, 0, 20, 40))
    decoded = pool.decode(encode(source, "PNG"))
    assert opened(decoded.rendition).getpixel((5, 20)) == 0
    assert opened(decoded.rendition).getpixel((35, 20)) == 255
    assert any("black" in note for note in decoded.notes)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
@pytest.mark.parametrize(("low", "high"), [(0, 65535), (1000, 5000), (64000, 65000), (0, 200)])
def test_sixteen_bits_are_windowed_to_full_contrast(pool, fmt, low, high):
    decoded = pool.decode(encode(Image.fromarray(deep(low, high)), fmt))
    pixels = np.asarray(opened(decoded.rendition))
    assert decoded.bits == 16
    assert pixels.dtype == np.uint8
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert 120 < np.median(pixels) < 135
    assert any("black to white" in note for note in decoded.notes)


def test_saturated_background_does_not_eat_the_window(pool):
    values = np.full((100, 500), 65535, np.uint16)
    values[:, :200] = deep(1000, 5000)
    assert np.asarray(opened(pool.decode(encode(Image.fromarray(values), "PNG")).rendition))[:, :200].std() > 60


def test_a_flat_sixteen_bit_picture_is_flat_and_not_an_error(pool):
    decoded = pool.decode(encode(Image.fromarray(np.full((50, 50), 30000, np.uint16)), "PNG"))
    assert len(set(decoded.tile)) == 1


def test_big_endian_and_white_is_zero_tiffs_show_the_same_picture(pool):
    little = encode(Image.fromarray(deep(1000, 5000)), "TIFF")
    big = encode(Image.frombytes("I;16B", (200, 100), deep(1000, 5000).astype(">u2").tobytes()), "TIFF")
    negative = bytearray(encode(Image.fromarray(6000 - deep(1000, 5000)), "TIFF"))
    entry = negative.index(struct.pack("<HHI", 262, 3, 1))
    negative[entry + 8 : entry + 12] = struct.pack("<I", 0)  # PhotometricInterpretation: WhiteIsZero
    pictures = [np.asarray(opened(pool.decode(bytes(data)).rendition)).astype(int) for data in (little, big, negative)]
    assert big[:2] == b"MM"
    assert np.abs(pictures[0] - pictures[1]).max() == 0
    assert np.abs(pictures[0] - pictures[2]).max() <= 1


def test_float_and_32_bit_tiffs_are_windowed(pool):
    for values in (deep(0, 1000).astype(np.float32) / 1000 - 0.5, deep(0, 60000).astype(np.int32) * 1000):
        decoded = pool.decode(encode(Image.fromarray(values), "TIFF"))
        assert decoded.bits == 16
        assert left_is_darker(tile_of(decoded))


def test_a_float_tiff_with_holes_is_shown(pool):
    values = deep(0, 1000).astype(np.float32)
    values[:10] = np.nan
    values[10:20] = np.inf
    assert left_is_darker(tile_of(pool.decode(encode(Image.fromarray(values), "TIFF"))))


def test_sixteen_bit_colour_says_that_eight_bits_are_used(pool):
    row = b"\x00" + struct.pack(">3H", 50000, 20000, 10000) * 16
    decoded = pool.decode(png_of(16, 16, depth=16, colour=2, idat=zlib.compress(row * 16)))
    assert decoded.bits == 16
    assert opened(decoded.rendition).getpixel((3, 3)) == (195, 78, 39)
    assert any("16 bits per channel" in note for note in decoded.notes)


def test_of_several_pages_the_first_is_used_and_the_note_says_so(pool):
    pages = [Image.new("L", (30, 20), value) for value in (10, 100, 200)]
    decoded = pool.decode(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert decoded.frames == 3
    assert decoded.notes[0] == "Page 1 of 3 stands for the scan."
    assert set(decoded.tile) == {10}
    animated = pool.decode(encode(pages[0], "PNG", save_all=True, append_images=pages[1:]))
    assert animated.notes[0] == "Frame 1 of 3 is used; the others are ignored."


def test_of_a_phone_picture_with_a_preview_the_picture_is_used(pool):
    data = encode(gradient(), "MPO", save_all=True, append_images=[Image.new("L", (20, 10))])
    decoded = pool.decode(data)
    assert (decoded.format, decoded.width, decoded.frames) == ("JPEG", 120, 2)
    assert left_is_darker(tile_of(decoded))


def test_a_palette_with_a_transparent_entry_is_read(pool):
    source = Image.new("P", (20, 20), 1)
    source.putpalette([255, 255, 255, 90, 90, 90])
    source.paste(0, (0, 0, 10, 20))
    rendition = opened(pool.decode(encode(source, "PNG", transparency=0)).rendition)
    assert (rendition.getpixel((2, 2)), rendition.getpixel((15, 2))) == (0, 90)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits", "tiff_adobe_deflate"])
def test_compressed_tiffs_are_read(pool, compression):
    decoded = pool.decode(encode(gradient(), "TIFF", compression=compression))
    assert opened(decoded.rendition).tobytes() == gradient().tobytes()


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_shown_upright(pool, fmt, orientation):
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = gradient() if undo is None else gradient().transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    decoded = pool.decode(encode(stored, fmt, exif=exif))
    rendition = opened(decoded.rendition)
    assert (decoded.width, decoded.height, rendition.size) == (120, 80, (120, 80))
    assert decoded.orientation == orientation
    assert ORIENTATION not in rendition.getexif()
    assert left_is_darker(np.asarray(rendition))
    assert np.asarray(rendition)[:8, :10].mean() > 240, "the mark is in the upper left corner"
    assert any("upright" in note for note in decoded.notes) == (orientation != 1)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
def test_no_metadata_reaches_the_rendition_or_the_thumbnail(pool, fmt):
    exif = Image.Exif()
    exif[0x010E] = exif[0x9286] = SECRET.decode()
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", SECRET.decode())
    text.add_text("Long", SECRET.decode(), zip=True)
    options = {"exif": exif, "icc_profile": SECRET * 20, "dpi": (300, 300)}
    own = {"PNG": {"pnginfo": text}, "JPEG": {"comment": SECRET, "xmp": SECRET}, "TIFF": {}}
    data = encode(gradient(), fmt, **options, **own[fmt])
    assert SECRET in data
    decoded = pool.decode(data + SECRET)
    for derived in (decoded.rendition, decoded.thumbnail):
        assert SECRET not in derived
        im = opened(derived)
        assert not im.getexif()
        assert set(im.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert chunks(decoded.rendition) <= {b"IHDR", b"IDAT", b"IEND"}


def test_a_wide_picture_is_shown_at_2048_and_keeps_its_shape(pool):
    for fmt in ("JPEG", "PNG"):
        decoded = pool.decode(encode(gradient(5000, 1250), fmt))
        assert (decoded.width, decoded.height) == (5000, 1250)
        assert (decoded.rendition_width, decoded.rendition_height) == (2048, 512)
        assert opened(decoded.rendition).size == (2048, 512)
        assert opened(decoded.thumbnail).size == (256, 64)
        assert any("2048 × 512" in note for note in decoded.notes)


def test_a_picture_of_one_pixel_or_one_row_is_decoded(pool):
    for size in ((1, 1), (9000, 1), (1, 9000)):
        decoded = pool.decode(encode(Image.new("L", size, 77), "PNG"))
        assert set(decoded.tile) == {77}
        assert max(opened(decoded.thumbnail).size) == min(256, max(size))


def test_the_tile_is_the_antialiased_square_of_the_grey_picture(pool):
    source = noise((700, 500), 80)
    expected = np.asarray(source.resize((256, 256), Image.Resampling.BILINEAR))
    assert np.array_equal(tile_of(pool.decode(encode(source, "PNG"))), expected)


def test_the_hash_is_that_of_imagehash_made_of_the_tile_and_nearly_that_of_the_whole_picture(pool):
    """Over 2,000 seeds: of the tile never a bit apart; of the whole picture at most 4 of 256 for smooth noise, and 16 for
    white noise, which no radiograph is and which the tile smooths away. Unrelated pictures are 100 and more apart."""
    smooth = noise((40, 30), 60).resize((400, 300), Image.Resampling.BICUBIC)
    for source, limit in ((smooth, 8), (gradient(), 8), (Image.radial_gradient("L"), 8), (noise((300, 200), 60), 32)):
        decoded = pool.decode(encode(source, "PNG"))
        ours = imagehash.hex_to_hash(decoded.phash)
        assert ours.hash.shape == (16, 16)
        assert ours == imagehash.phash(Image.fromarray(tile_of(decoded)), hash_size=16)
        assert ours - imagehash.phash(source, hash_size=16) <= limit


def test_the_hash_survives_a_smaller_copy(pool):
    """Over 2,000 seeds the copy is at most 6 of 256 bits apart, another picture at least 100."""
    picture = noise((40, 30), 60).resize((400, 300), Image.Resampling.BICUBIC)
    copy = picture.resize((200, 150), Image.Resampling.LANCZOS)
    hashes = [
        imagehash.hex_to_hash(pool.decode(encode(im, "JPEG")).phash) for im in (picture, copy, gradient(400, 300))
    ]
    assert hashes[0] - hashes[1] < 40 < hashes[0] - hashes[2]


def test_a_bad_exif_block_is_a_note_and_not_an_error(pool):
    data = encode(gradient(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x00garbage")
    decoded = pool.decode(data)
    assert decoded.orientation == 1
    assert left_is_darker(tile_of(decoded))


def chunks(data: bytes) -> set[bytes]:
    stream, kinds = io.BytesIO(data[8:]), set()
    while head := stream.read(8):
        kinds.add(head[4:])
        stream.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
    return kinds
