"""The view for learning: the file's own values and shape, shrunk before any window."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import Dataset

from images.decoding import Undecodable
from images.learning import LearningView
from tests.images.decoding.conftest import DEID, encode, gradient, opened
from tests.images.decoding.dicoms import decode, dicom
from tests.images.decoding.test_beside_dcmtk import table
from tests.images.decoding.tiffs import tiff

RAMP = np.add.outer(np.arange(64), np.arange(80)).astype(np.int16)


def view(pool, data: bytes, **options) -> LearningView:
    if data[128:132] == b"DICM":
        options.setdefault("deid", DEID)
    return LearningView.from_bytes(pool.decode(data, rendition=False, learning=True, **options).learning)


def own(seen: LearningView) -> np.ndarray:
    return seen.pixels * seen.slope + seen.intercept


def levels(seen: LearningView) -> np.ndarray:
    black, white = seen.window
    return np.clip((own(seen) - black) / (white - black), 0, 1) * 255


def test_values_of_a_ct_are_hounsfield_units_and_its_window_is_that_of_the_file(pool):
    stored = RAMP * 20 - 500
    seen = view(pool, dicom(stored, RescaleSlope="2", RescaleIntercept="-100", WindowCenter="40", WindowWidth="401"))
    assert seen.pixels.dtype == np.uint16
    assert np.array_equal(own(seen), stored * 2.0 - 100)
    assert seen.window == (-160.5, 239.5)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"WindowCenter": "1500", "WindowWidth": "900"},
        {"WindowCenter": "1500", "WindowWidth": "900", "VOILUTFunction": "LINEAR_EXACT"},
        {"RescaleSlope": "-0.5", "RescaleIntercept": "7"},
        {"ModalityLUTSequence": [table(np.arange(4096, dtype=np.uint16)[::-1] * 3, 0, 16)]},
    ],
)
def test_between_the_ends_of_its_window_a_view_has_the_levels_of_the_page(pool, photometric, tags):
    values = (RAMP * 20).astype(np.uint16)
    data = dicom(values, PhotometricInterpretation=photometric, BitsStored=12, **tags)
    seen = view(pool, data)
    assert seen.pixels.dtype == np.uint16
    assert (seen.window[0] > seen.window[1]) == (photometric == "MONOCHROME1")
    assert np.abs(levels(seen) - np.asarray(opened(decode(pool, data).rendition))).max() <= 0.5001


def test_a_large_scan_is_shrunk_as_means_of_its_values_and_not_of_what_a_window_leaves(pool):
    """Checkers of 0 and 3000 are 1500 everywhere; a window around 100 shows them black and white, mean 127."""
    rows, columns = np.indices((2048, 1024))
    values = ((rows + columns) % 2 * 3000).astype(np.uint16)
    seen = view(pool, dicom(values, WindowCenter="100", WindowWidth="50"))
    assert seen.pixels.shape == (1024, 512)
    assert np.abs(own(seen)[2:-2, 2:-2].astype(int) - 1500).max() <= 1


def test_a_scan_is_never_enlarged_and_keeps_its_shape(pool):
    assert view(pool, dicom(RAMP)).pixels.shape == (64, 80)
    assert view(pool, dicom(np.zeros((1000, 5000), np.uint16) + np.arange(5000, dtype=np.uint16))).pixels.shape == (
        205,
        1024,
    )
    assert view(pool, encode(gradient(3000, 600), "PNG")).pixels.shape == (205, 1024)


@pytest.mark.parametrize(
    "padding", [{"PixelPaddingValue": 4000}, {"PixelPaddingValue": 3900, "PixelPaddingRangeLimit": 4095}]
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_as_dark_as_the_darkest_value_and_shifts_no_window(pool, photometric, padding):
    values = (RAMP * 5 + 100).astype(np.uint16)
    whole = view(pool, dicom(values, PhotometricInterpretation=photometric, BitsStored=12))
    padded = values.copy()
    padded[:, :30] = 4000
    seen = view(pool, dicom(padded, PhotometricInterpretation=photometric, BitsStored=12, **padding))
    dark = values[:, 30:].max() if photometric == "MONOCHROME1" else values[:, 30:].min()
    assert (own(seen)[:, :30] == dark).all()
    assert np.array_equal(own(seen)[:, 30:], values[:, 30:])
    assert levels(seen)[:, :30].max() <= 1
    assert min(seen.window) >= values.min() and max(seen.window) <= whole.window[0] + whole.window[1]


def test_signed_padding_that_is_written_as_unsigned_is_found(pool):
    values = RAMP.copy()
    values[:10] = -2000
    seen = view(pool, dicom(values, PixelPaddingValue=63536 - 65536))
    assert own(seen).min() == RAMP[10:].min()


def test_a_file_of_nothing_but_padding_has_a_view(pool):
    seen = view(pool, dicom(np.full((20, 20), 7, np.uint16), PixelPaddingValue=7))
    assert (own(seen) == 7).all()


def test_a_voi_lut_is_no_window_so_that_the_view_is_the_picture_of_the_page_and_says_why(pool):
    values = (RAMP * 20).astype(np.uint16)
    data = dicom(
        values, BitsStored=12, VOILUTSequence=[table(np.sqrt(np.arange(4096)).astype(np.uint16) * 1000, 0, 16)]
    )
    seen = view(pool, data)
    assert seen.pixels.dtype == np.uint8 and "VOI LUT" in seen.note
    assert (seen.slope, seen.intercept, seen.window) == (1, 0, (0, 255))
    assert np.array_equal(seen.pixels, np.asarray(opened(decode(pool, data).rendition)))


def test_pixels_that_are_not_square_are_stretched_as_pages_show_them(pool):
    data = dicom(RAMP, PixelAspectRatio=[2, 1])
    seen = view(pool, data)
    assert seen.pixels.shape == np.asarray(opened(decode(pool, data).rendition)).shape == (128, 80)
    assert np.abs(own(seen)[1:-1:2, 5] - RAMP[:-1, 5]).max() <= 1


@pytest.mark.parametrize(
    ("values", "slope"),
    [
        (RAMP.astype(np.uint16) * 400, 1),
        (RAMP * 100 - 7000, 1),
        (RAMP.astype(np.int32) * 20 - 1500, 1),
        (RAMP.astype(np.uint32) + 4_000_000_000, 1),
        (RAMP.astype(np.float32) / 142, 1 / 65535),
        (RAMP.astype(np.float32) * 1e6, 142e6 / 65535),
    ],
)
def test_deep_tiffs_keep_their_values(pool, values, slope):
    seen = view(pool, tiff(values))
    assert seen.pixels.dtype == np.uint16
    assert seen.slope == pytest.approx(slope, rel=1e-4)
    assert np.abs(own(seen) - values).max() <= (0 if slope == 1 else 0.51 * slope + 1e-6 * values.max())


def test_wild_values_of_a_float_file_take_no_levels_from_its_window(pool):
    values = RAMP.astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2] = 1e30, np.nan, -np.inf
    seen = view(pool, tiff(values))
    low, high = seen.window
    assert high - low < 200 and seen.slope < (high - low) / 1500
    assert np.abs(own(seen)[1:] - values[1:]).max() <= seen.slope
    assert own(seen)[0, 0] >= high and own(seen)[0, 1:3].max() <= low


def test_a_white_is_zero_tiff_keeps_its_values_and_has_a_window_that_runs_down(pool):
    values = (RAMP * 100).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF", tiffinfo={262: 0})
    data = buffer.getvalue()
    seen = view(pool, data)
    assert seen.window[0] > seen.window[1]
    assert np.abs(levels(seen) - np.asarray(opened(pool.decode(data).rendition))).max() <= 0.5001


def test_deep_grey_is_turned_upright_too(pool):
    values = (RAMP * 400).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = view(pool, encode(Image.fromarray(values), "PNG", exif=exif))
    assert np.array_equal(seen.pixels, np.rot90(values, -1))


def test_colours_stay_colours_upright_and_grey_in_three_channels_is_grey(pool):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (60, 90, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3
    seen = view(pool, encode(Image.fromarray(colours), "PNG", exif=exif))
    assert np.array_equal(seen.pixels, colours[::-1, ::-1])
    jpeg = view(pool, encode(Image.fromarray(colours), "JPEG"))
    assert jpeg.pixels.shape == (60, 90, 3) and jpeg.pixels.dtype == np.uint8
    grey = view(pool, encode(gradient().convert("RGB"), "PNG"))
    assert grey.pixels.shape == (80, 120)


def test_a_view_carries_nothing_of_the_file_but_its_pixels(pool):
    info = PngInfo()
    info.add_text("Comment", "Jane Doe")
    data = encode(Image.fromarray((RAMP * 400).astype(np.uint16)), "PNG", pnginfo=info)
    assert b"Jane" in data
    assert b"Jane" not in pool.decode(data, learning=True).learning


def frames(count: int = 3) -> np.ndarray:
    return np.stack([RAMP * 10 + 1000 * number for number in range(count)]).astype(np.uint16)


def test_each_frame_of_a_dicom_file_is_given_and_0_is_the_one_that_stands_for_it(pool):
    data = dicom(frames(), RepresentativeFrameNumber=2)
    for asked, there in ((0, 1), (1, 0), (2, 1), (3, 2)):
        assert np.array_equal(own(view(pool, data, frame=asked)), frames()[there])
    with pytest.raises(Undecodable) as refused:
        view(pool, data, frame=4)
    assert refused.value.code == "does_not_exist" and "3" in refused.value.detail


def test_a_frame_has_the_window_and_slope_of_its_own(pool):
    def group(slope: int, center: int) -> Dataset:
        values, window, made = Dataset(), Dataset(), Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = str(slope), "0", "US"
        window.WindowCenter, window.WindowWidth = str(center), "101"
        made.PixelValueTransformationSequence, made.FrameVOILUTSequence = [values], [window]
        return made

    data = dicom(frames(2), PerFrameFunctionalGroupsSequence=[group(1, 50), group(3, 4000)])
    first, second = (view(pool, data, frame=number) for number in (1, 2))
    assert (first.slope, second.slope) == (1, 3)
    assert (first.window, second.window) == ((-0.5, 99.5), (3949.5, 4049.5))
    assert np.array_equal(own(second), frames(2)[1] * 3)


def test_each_page_of_a_tiff_is_given(pool):
    pages = [Image.fromarray(page) for page in frames()]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    for asked, there in ((0, 0), (1, 0), (2, 1), (3, 2)):
        assert np.array_equal(view(pool, data, frame=asked).pixels, frames()[there])
    with pytest.raises(Undecodable):
        view(pool, data, frame=4)


def test_a_file_of_one_frame_has_no_second(pool):
    data = encode(gradient(), "PNG")
    assert view(pool, data, frame=1).pixels.shape == (80, 120)
    with pytest.raises(Undecodable):
        view(pool, data, frame=2)


def test_the_largest_deep_scan_fits_into_the_memory_of_a_child(pool):
    """100 million pixels of 16 bits, the most that is accepted: strips, never a whole picture of floats."""
    values = np.zeros((10_000, 10_000), np.uint16)
    values[:, 5000:] = 4000
    seen = view(pool, tiff(values, deflated=True))
    assert seen.pixels.shape == (1024, 1024)
    assert {int(seen.pixels[500, 100]), int(seen.pixels[500, 900])} == {0, 4000}


@pytest.mark.parametrize("folder", ["dicom", "dicom_more", "reported", "broken"])
def test_every_file_of_the_collection_gives_a_view_or_the_error_of_its_picture(pool, shared_data, folder):
    files = sorted(path for path in (shared_data / folder).iterdir() if path.suffix not in (".csv", ".md", ".zip"))
    assert files
    for path in files:
        assert _outcome(pool, path, learning=True) == _outcome(pool, path, learning=False), path.name


def _outcome(pool, path: Path, *, learning: bool) -> str:
    data = path.read_bytes()
    options = {"deid": DEID} if data[128:132] == b"DICM" else {}
    try:
        made = pool.decode(data, rendition=False, learning=learning, **options)
    except Undecodable as error:
        return error.code
    except ValueError:  # DICOM without its preamble, which is told by other marks
        made = pool.decode(data, rendition=False, learning=learning, deid=DEID)
    if learning:
        seen = LearningView.from_bytes(made.learning)
        assert 1 <= max(seen.pixels.shape[:2]) <= 1024
        assert seen.pixels.dtype == np.uint8 or made.bits == 16
    return "accepted"
