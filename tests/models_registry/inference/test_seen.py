"""What a network sees of a view, to the level: the same on every machine, however many threads there are."""

import hashlib
from itertools import product

import numpy as np
import pytest
from PIL import Image

from models_registry.inference.looks import COLOUR, GREY, LETTERBOX, SQUASH, WINDOWS, Look
from models_registry.inference.names import EQUALISED, TILE
from models_registry.inference.pictures import ReferenceView, reference_views
from models_registry.inference.preprocess import Preprocess, content_box, shrink
from models_registry.inference.runtimes import batch_for
from models_registry.inference.seen import equalised, see

LUNG_AND_BONE = ((-600.0, 1500.0), (300.0, 1500.0))


def of(look: Look, size: int) -> Preprocess:
    channels = look.channels
    level = 0.5 if channels == 1 else (0.5,) * channels
    return Preprocess(size, level, level, channels, look)


def looks() -> list[Look]:
    kinds = ((GREY, ()), (COLOUR, ()), (WINDOWS, LUNG_AND_BONE))
    return [Look(sees, shape, windows) for (sees, windows), shape in product(kinds, (SQUASH, LETTERBOX))]


# Made once on x86-64: whole numbers from end to end, so that every other machine gives the same.
GOLDEN = {
    ("grey", "squash"): "ed271fdcb28d859f",
    ("grey", "letterbox"): "3c9bdd603b6eae8b",
    ("colour", "squash"): "ae27080238aaab85",
    ("colour", "letterbox"): "aace50b3dfc60e94",
    ("windows", "squash"): "452179b9e33d9a38",
    ("windows", "letterbox"): "ccf18241f8e3b17a",
}


@pytest.mark.parametrize("look", looks(), ids=lambda look: f"{look.sees}-{look.shape}")
def test_the_reference_is_seen_to_the_bit_as_ever(look):
    digest = hashlib.sha256()
    for size in (32, 100, 600):
        digest.update(of(look, size).pixels(reference_views()).tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[look.sees, look.shape]


@pytest.mark.parametrize("look", looks(), ids=lambda look: f"{look.sees}-{look.shape}")
def test_pixels_have_the_shape_that_the_network_takes_also_of_no_scan(look):
    preprocess = of(look, 48)
    square = (48, 48) if look.channels == 1 else (48, 48, look.channels)
    assert preprocess.pixels(reference_views()).shape == (4, *square)
    assert preprocess.pixels([]).shape == (0, *square)
    assert preprocess.to_tensor(preprocess.pixels(reference_views())).shape == (4, look.channels, 48, 48)


def test_a_long_scan_keeps_its_shape_and_its_margin_is_as_its_border():
    pixels = np.full((100, 300, 3), (200, 100, 50), dtype=np.uint8)
    pixels[40:60, 100:200] = 255
    seen = see(ReferenceView(pixels), Look(COLOUR, LETTERBOX), 96)
    assert content_box(300, 100, 96) == (0, 32, 96, 64)
    assert (seen[:32] == (200, 100, 50)).all()
    assert (seen[64:] == (200, 100, 50)).all()
    assert (seen[46:50, 40:56] == 255).all()


def test_a_tall_scan_has_its_margin_at_the_sides():
    pixels = np.zeros((300, 100), dtype=np.uint8)
    pixels[:, 40:60] = 255
    seen = see(ReferenceView(pixels), Look(GREY, LETTERBOX), 90)
    assert content_box(100, 300, 90) == (30, 0, 60, 90)
    assert seen[45, 45] == 255
    assert not seen[:, :30].any()


@pytest.mark.parametrize("shape", [SQUASH, LETTERBOX])
def test_a_small_scan_is_enlarged(shape):
    pixels = np.zeros((10, 20), dtype=np.uint8)
    pixels[:, 10:] = 200
    seen = see(ReferenceView(pixels), Look(GREY, shape), 120)
    assert (seen[60, 10], seen[60, 110]) == (0, 200)


def test_windows_are_ranges_of_the_scans_own_values():
    values = np.array([[0, 400], [1024, 2000]], dtype=np.uint16).repeat(30, axis=0).repeat(30, axis=1)
    view = ReferenceView(values, 1.0, -1024.0, (-160.0, 240.0))
    seen = see(view, Look(WINDOWS, SQUASH, ((-600.0, 1200.0), (40.0, 400.0))), 60)
    # -1024, -624, 0 and 976 between -1200 and 0, and between -160 and 240.
    assert [seen[y, x].tolist() for y, x in ((5, 5), (5, 55), (55, 5), (55, 55))] == [
        [round((-1024 + 1200) / 1200 * 255), 0],
        [round((-624 + 1200) / 1200 * 255), 0],
        [255, round(160 / 400 * 255)],
        [255, 255],
    ]


def test_grey_of_sixteen_bits_is_as_pages_show_it_also_where_small_values_are_bright():
    values = np.tile(np.arange(4096, dtype=np.uint16)[::16], (256, 1))
    shown = see(ReferenceView(values, 1.0, -1000.0, (-1000.0, 3080.0)), Look(GREY, LETTERBOX), 256)
    inverted = see(ReferenceView(values, 1.0, -1000.0, (3080.0, -1000.0)), Look(GREY, LETTERBOX), 256)
    assert shown[0].tolist() == list(range(256))
    assert np.array_equal(inverted, 255 - shown)
    colours = see(ReferenceView(values, 1.0, -1000.0, (-1000.0, 3080.0)), Look(COLOUR), 256)
    assert np.array_equal(colours, np.repeat(shown[:, :, None], 3, axis=2))


def test_equalised_levels_are_the_same_whatever_the_exposure_was():
    rng = np.random.default_rng(5)
    dark = np.sort(rng.integers(0, 256, 300 * 200)).astype(np.uint8).reshape(200, 300)[:, ::-1]
    # An exposure keeps the order of the levels.
    bright = np.rint(255 * (dark / 255) ** 0.5).astype(np.uint8)
    look = Look(GREY, levels=EQUALISED)
    seen, other = (see(ReferenceView(pixels), look, 64).astype(int) for pixels in (dark, bright))
    kept, otherwise = (see(ReferenceView(pixels), Look(GREY), 64).astype(int) for pixels in (dark, bright))
    assert np.abs(kept - otherwise).max() > 50
    assert np.abs(seen - other).max() <= 3
    # All levels are about as frequent.
    assert abs(np.median(seen) - 128) <= 3


@pytest.mark.parametrize("frame", [0, 255])
def test_a_frame_around_a_scan_does_not_change_its_equalised_levels(frame):
    rng = np.random.default_rng(6)
    body = np.rint(rng.normal(120, 25, (200, 200)).clip(0, 255)).astype(np.uint8)
    framed = np.full((360, 300), frame, dtype=np.uint8)
    framed[60:260, 40:240] = body
    # A letter, as films have.
    framed[20:36, 20:30] = 255 - frame
    alone, inside = (np.asarray(equalised(Image.fromarray(one))) for one in (body, framed))
    assert np.array_equal(inside[60:260, 40:240], alone)
    assert alone.std() > 60
    assert np.array_equal(equalised(Image.fromarray(np.full((9, 9), 7, np.uint8))), np.full((9, 9), 7))


@pytest.mark.parametrize("sees", [TILE, COLOUR])
def test_levels_of_colours_and_of_tiles_are_not_equalised(sees):
    with pytest.raises(ValueError, match="is for grey alone"):
        Look(sees, levels=EQUALISED)


def test_grey_squashed_nearly_agrees_with_the_tile_that_intake_makes():
    rng = np.random.default_rng(3)
    pixels = np.asarray(
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((800, 600), Image.Resampling.BICUBIC)
    )
    tile = np.asarray(Image.fromarray(pixels).convert("L").resize((256, 256), Image.Resampling.BILINEAR))
    view = ReferenceView(pixels)
    assert np.array_equal(see(view, Look(GREY), 256), tile)
    difference = see(view, Look(GREY), 64).astype(int) - shrink(tile[None], 64)[0]
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_view_is_refused(pixels):
    with pytest.raises(ValueError, match="a view must be grey uint8 or uint16"):
        see(ReferenceView(pixels), Look(GREY, LETTERBOX), 32)


def test_tiles_are_never_taken_for_what_is_made_of_views():
    preprocess = of(Look(GREY, LETTERBOX), 64)
    for given in (np.zeros((1, 256, 256), np.uint8), np.zeros((1, 64, 64, 3), np.uint8)):
        with pytest.raises(ValueError, match="made of views"):
            preprocess.to_tensor(given)
    with pytest.raises(ValueError, match="made by `shrink`"):
        Preprocess(64, 0.5, 0.2).pixels(reference_views())


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Look(), "grey, 64 px a side, squashed to a square"),
        (Look(COLOUR, LETTERBOX), "colour, 64 px a side, at its own shape with a margin"),
        (
            Look(WINDOWS, SQUASH, ((-600.0, 1500.0), (40.0, 400.0))),
            "windows of the scan's own values (centre/width -600/1500, 40/400), 64 px a side, squashed to a square",
        ),
    ],
)
def test_a_look_says_what_it_sees(look, words):
    assert look.words(64) == words


@pytest.mark.parametrize(("size", "most"), [(28, 32), (256, 32), (512, 8), (1024, 2)])
def test_large_pictures_go_through_the_networks_in_smaller_batches(size, most):
    assert batch_for(size) == most
