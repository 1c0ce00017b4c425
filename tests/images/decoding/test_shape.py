"""Pixels that are not square: what is shown has the true shape."""

import numpy as np
import pytest
from pydicom import Dataset

from tests.images.decoding.conftest import opened
from tests.images.decoding.dicoms import dataset, decode, dicom, written

# A circle of 120 in a picture whose pixels are twice as high as wide, or as wide as high.
Y, X = np.mgrid[0:200, 0:200]
CIRCLE = ((Y - 99.5) ** 2 + (X - 99.5) ** 2 < 60**2).astype(np.uint8) * 200
FLAT, NARROW = CIRCLE[::2], CIRCLE[:, ::2]


def measures(*spacing: str) -> dict:
    group, item = Dataset(), Dataset()
    item.PixelSpacing = list(spacing)
    group.PixelMeasuresSequence = [item]
    return {"SharedFunctionalGroupsSequence": [group]}


def regions(*deltas: tuple[float, float], units: int = 3) -> dict:
    """Regions of ultrasound: centimetres a row and a column."""
    items = []
    for down, across in deltas:
        item = Dataset()
        item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
        item.PhysicalDeltaY, item.PhysicalDeltaX = down, across
        items.append(item)
    return {"SequenceOfUltrasoundRegions": items}


def sides(pixels: np.ndarray) -> tuple[int, int]:
    """The height and width of what is bright."""
    rows, columns = (np.flatnonzero((pixels > 100).any(axis=axis)) for axis in (1, 0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        (FLAT, {"PixelAspectRatio": [2, 1]}),
        (FLAT, {"PixelAspectRatio": [200, 100]}),
        (FLAT, {"PixelSpacing": ["1.0", "0.5"]}),
        (FLAT, {"ImagerPixelSpacing": ["0.2", "0.1"]}),
        (FLAT, {"NominalScannedPixelSpacing": ["0.2", "0.1"]}),
        (FLAT, {"PixelSpacing": ["1.0", "0.5"], "PixelAspectRatio": [1, 2]}),
        (FLAT, measures("0.8", "0.4")),
        (FLAT, regions((0.02, 0.01))),
        (FLAT, regions((-0.02, 0.01), (0.04, 0.02))),
        (FLAT, regions((0.02, 0.01)) | {"PixelSpacing": ["1.0", "1.0"]}),
        (NARROW, regions((0.01, 0.02))),
        (NARROW, {"PixelAspectRatio": [1, 2]}),
        (NARROW, {"PixelSpacing": ["0.5", "1.0"]}),
    ],
)
@pytest.mark.parametrize("colour", [False, True])
def test_a_circle_is_shown_as_a_circle(pool, values, tags, colour):
    made = np.stack([values, values // 2, values // 4], axis=2) if colour else values
    decoded = decode(pool, dicom(np.ascontiguousarray(made), **tags))
    shown = np.asarray(opened(decoded.rendition).convert("L" if not colour else "RGB"))
    shown = shown[..., 0] if colour else shown
    assert shown.shape == (200, 200)
    height, width = sides(shown)
    assert abs(height - width) <= 2
    assert (decoded.width, decoded.height) == values.shape[::-1]
    assert any("not square" in note for note in decoded.notes)
    assert opened(decoded.thumbnail).size == (200, 200)
    assert pool.decode(decoded.stored, own=True).rendition == decoded.rendition


@pytest.mark.parametrize(
    "tags",
    [
        regions((0.01, 0.01)),
        regions((0.02, 0.01), (0.01, 0.02)),
        regions((0.02, 0.01), units=4),
    ],
)
def test_regions_that_are_square_of_several_shapes_or_of_no_length_stretch_nothing(pool, tags):
    decoded = decode(pool, dicom(FLAT, **tags))
    assert opened(decoded.rendition).size == FLAT.shape[::-1]


@pytest.mark.parametrize("tags", [{}, {"PixelAspectRatio": [2, 1]}])
def test_the_tile_of_a_model_shows_the_same_whether_pixels_are_square_or_not(pool, tags):
    """It is a square of the whole picture: its content is that of the true shape."""
    whole = np.frombuffer(decode(pool, dicom(CIRCLE)).tile, np.uint8).astype(int)
    made = np.frombuffer(decode(pool, dicom(np.ascontiguousarray(FLAT if tags else CIRCLE), **tags)).tile, np.uint8)
    assert np.abs(whole - made).mean() < 2


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"PixelAspectRatio": [1, 1]},
        {"PixelSpacing": ["0.5", "0.5"], "PixelAspectRatio": [2, 1]},
        {"PixelSpacing": ["0.5", "0.501"]},
        {"PixelSpacing": ["0", "0"]},
        {"PixelSpacing": ["0.5"]},
        {"PixelAspectRatio": [0, 1]},
        {"PixelAspectRatio": [-2, 1]},
        {"PixelAspectRatio": [1000, 1]},
    ],
)
def test_square_pixels_and_nonsense_change_nothing(pool, tags):
    decoded = decode(pool, dicom(CIRCLE, **tags))
    assert np.array_equal(np.asarray(opened(decoded.rendition)), CIRCLE)
    assert any("extremely long" in note for note in decoded.notes) == (tags.get("PixelAspectRatio") == [1000, 1])
    assert not any("not square (" in note for note in decoded.notes)


def test_a_wide_picture_is_stretched_within_the_size_of_a_rendition(pool):
    made = dataset(np.tile(CIRCLE, (1, 10)), PixelAspectRatio=[10, 1])
    decoded = decode(pool, written(made))
    assert (decoded.rendition_width, decoded.rendition_height) == (2000, 2000)
    made = dataset(np.tile(CIRCLE, (1, 10)), PixelAspectRatio=[1, 10])
    decoded = decode(pool, written(made))
    assert (decoded.rendition_width, decoded.rendition_height) == (2048, 20)
