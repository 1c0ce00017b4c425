"""The tiles of a whole slide are one picture; of other frames the one that the file names stands for all."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate

from images.decoding import Decoded, DecoderPool, Limits, Undecodable
from tests.conftest import PATIENCE_S
from tests.images.decoding.conftest import encode, opened
from tests.images.decoding.dicoms import dataset, decode, dicom, written

TILE = 16
SLIDE_UID = uid.VLWholeSlideMicroscopyImageStorage


def slide(rows: int = 40, columns: int = 56) -> np.ndarray:
    """A smooth colour picture whose sides are no whole number of tiles."""
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([x * 4, y * 6, 255 - x * 2 - y * 2], axis=2).astype(np.uint8)


def tiles(whole: np.ndarray) -> np.ndarray:
    """Row by row, the last ones filled up with white."""
    rows, columns = (-(-side // TILE) * TILE for side in whole.shape[:2])
    full = np.full((rows, columns, *whole.shape[2:]), 255, whole.dtype)
    full[: whole.shape[0], : whole.shape[1]] = whole
    return np.stack(
        [full[top : top + TILE, left : left + TILE] for top in range(0, rows, TILE) for left in range(0, columns, TILE)]
    )


def tiled(whole: np.ndarray, frames: np.ndarray, **tags) -> Dataset:
    return dataset(
        frames, SOPClassUID=SLIDE_UID, Modality="SM", TotalPixelMatrixColumns=whole.shape[1],
        TotalPixelMatrixRows=whole.shape[0], **tags,
    )  # fmt: skip


def sparse(whole: np.ndarray, order: list[int], *, paths: list[str] | None = None) -> Dataset:
    """TILED_SPARSE: the tiles of these numbers, in this order."""
    across, found = -(-whole.shape[1] // TILE), tiles(whole)
    groups = []
    for place, number in enumerate(order):
        position, group, path = Dataset(), Dataset(), Dataset()
        position.ColumnPositionInTotalImagePixelMatrix = number % across * TILE + 1
        position.RowPositionInTotalImagePixelMatrix = number // across * TILE + 1
        path.OpticalPathIdentifier = paths[place] if paths else "1"
        group.PlanePositionSlideSequence, group.OpticalPathIdentificationSequence = [position], [path]
        groups.append(group)
    return tiled(whole, found[order], DimensionOrganizationType="TILED_SPARSE", PerFrameFunctionalGroupsSequence=groups)


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition))


def notes(decoded: Decoded) -> str:
    return " ".join(decoded.notes)


def test_the_tiles_of_a_slide_are_put_together(pool):
    whole = slide()
    decoded = decode(pool, written(tiled(whole, tiles(whole), DimensionOrganizationType="TILED_FULL")))
    assert np.array_equal(shown(decoded), whole)
    assert (decoded.width, decoded.height, decoded.frames) == (56, 40, 12)
    assert notes(decoded) == "The picture was put together from 12 tiles of a whole slide."
    assert np.array_equal(shown(pool.decode(decoded.stored, own=True)), whole)


def test_packed_tiles_are_put_together(pool):
    whole = slide()
    made = tiled(whole, tiles(whole), PhotometricInterpretation="YBR_FULL_422")
    made.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    streams = [encode(Image.fromarray(tile), "JPEG", quality=98, subsampling=0) for tile in tiles(whole)]
    made.PixelData = encapsulate(streams)
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    assert np.abs(shown(decode(pool, written(made))).astype(int) - whole).max() <= 8


def test_tiles_in_any_order_lie_where_they_say(pool):
    whole = slide()
    decoded = decode(pool, written(sparse(whole, [11, 0, 1, 2, 10, 9, 8, 7, 6, 5, 4, 3])))
    assert np.array_equal(shown(decoded), whole)


def test_places_without_a_tile_are_white_and_counted(pool):
    whole = slide()
    decoded = decode(pool, written(sparse(whole, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])))
    expected = whole.copy()
    expected[:TILE, :TILE] = 255
    assert np.array_equal(shown(decoded), expected)
    assert "no tile for 1 of 12 places" in notes(decoded)


def test_of_several_paths_or_planes_the_first_is_used_and_the_rest_named(pool):
    whole = slide()
    both = np.concatenate([tiles(whole), 255 - tiles(whole)])
    decoded = decode(pool, written(tiled(whole, both, DimensionOrganizationType="TILED_FULL")))
    assert np.array_equal(shown(decoded), whole)
    assert "12 further tiles" in notes(decoded)
    order = [*range(12), *range(12)]
    decoded = decode(pool, written(sparse(whole, order, paths=["1"] * 12 + ["2"] * 12)))
    assert np.array_equal(shown(decoded), whole)
    assert "12 further tiles" in notes(decoded)


def test_a_grey_slide_of_16_bits_has_one_window_for_all_tiles(pool):
    y, x = np.mgrid[0:40, 0:56]
    whole = (x * 20 + y * 30).astype(np.uint16)
    frames = tiles(whole)
    frames[frames == 255] = 0
    decoded = decode(pool, written(tiled(whole, frames)))
    assert np.corrcoef(shown(decoded).ravel(), whole.ravel())[0, 1] > 0.99


def test_a_slide_is_not_taken_apart(pool):
    whole = slide()
    data = written(tiled(whole, tiles(whole)))
    assert list(pool.split(data)) == [data]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (tiled(slide(), tiles(slide())[:3], DimensionOrganizationType="TILED_FULL"), "corrupt"),
        (tiled(slide(), tiles(slide())[0]), "corrupt"),
        (dataset(tiles(slide()), SOPClassUID=SLIDE_UID), "corrupt"),
        (tiled(np.zeros((20_000, 20_000, 1), np.uint8), tiles(slide())), "too_large"),
    ],
)
def test_single_tiles_are_never_taken_for_the_slide(pool, made, code):
    with pytest.raises(Undecodable) as caught:
        decode(pool, written(made))
    assert caught.value.code == code
    assert "overview" in caught.value.detail


def test_a_slide_is_refused_by_its_whole_size():
    whole = slide()
    small = DecoderPool(Limits(size=1, max_pixels=2_000, timeout_s=PATIENCE_S))
    with pytest.raises(Undecodable) as caught:
        decode(small, written(tiled(whole, tiles(whole))))
    small.close()
    assert "56 × 40" in caught.value.detail


def test_the_frame_that_the_file_names_stands_for_all(pool):
    frames = np.stack([np.zeros((24, 20), np.uint8), np.arange(480, dtype=np.uint16).reshape(24, 20) // 2])
    frames = frames.astype(np.uint8)
    decoded = decode(pool, dicom(frames, RepresentativeFrameNumber=2))
    assert np.array_equal(shown(decoded), frames[1])
    assert "Frame 2 of 2, which the file names for it, stands for the scan." in notes(decoded)
    assert np.array_equal(shown(pool.decode(decoded.stored, own=True)), frames[1])
    for number in (0, 3, 65535):
        decoded = decode(pool, dicom(frames[::-1], RepresentativeFrameNumber=number))
        assert np.array_equal(shown(decoded), frames[1])
        assert "Frame 1 of 2 stands for the scan." in notes(decoded)


def test_the_frame_that_the_file_names_has_its_own_window(pool):
    groups = []
    for center in ("10", "120"):
        group, window = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, "200"
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    values = np.tile(np.arange(240, dtype=np.uint8), (30, 1))
    both = dicom(np.stack([values, values]), RepresentativeFrameNumber=2, PerFrameFunctionalGroupsSequence=groups)
    alone = dicom(values, WindowCenter="120", WindowWidth="200")
    assert np.array_equal(shown(decode(pool, both)), shown(decode(pool, alone)))


def test_no_part_names_a_frame_that_it_does_not_have(pool):
    frames = np.arange(960, dtype=np.uint16).reshape(2, 24, 20)
    for part in pool.split(dicom(frames, RepresentativeFrameNumber=2)):
        assert "RepresentativeFrameNumber" not in dcmread(io.BytesIO(part))


@pytest.mark.parametrize(("said", "hold"), [("YES", "burned_in_annotation"), ("NO", "")])
def test_a_slide_with_its_label_in_the_picture_is_held(pool, said, hold):
    whole = slide()
    made = tiled(whole, tiles(whole), SpecimenLabelInImage=said, BurnedInAnnotation="NO")
    assert decode(pool, written(made)).hold == hold
