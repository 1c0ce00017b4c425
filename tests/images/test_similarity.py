"""Whether two scans show the same picture: nominated by hash, confirmed on aligned pixels."""

import csv
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from images import similarity
from images.decoding.phash import phash

TILE = (256, 256)


def known(picture: Image.Image):
    """Hash and tile, as a decoder makes them."""
    grey = picture.convert("L")
    return similarity.hashes([phash(grey)])[0], np.asarray(grey.resize(TILE, Image.Resampling.BILINEAR))


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def scaled(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS)


def trimmed(picture: Image.Image, share: float) -> Image.Image:
    across, down = int(picture.width * share), int(picture.height * share)
    return picture.crop((across, down, picture.width - across, picture.height - down))


def shifted(picture: Image.Image, pixels: int) -> Image.Image:
    matrix = (1, 0, pixels, 0, 1, pixels)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


def gamma(picture: Image.Image, power: float) -> Image.Image:
    return picture.point([int(255 * (value / 255) ** power) for value in range(256)])


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded again": lambda picture: jpeg(picture, 50),
    "encoded badly": lambda picture: jpeg(picture, 20),
    "half size": lambda picture: scaled(picture, 0.5),
    "half size and encoded again": lambda picture: jpeg(scaled(picture, 0.5), 50),
    "square thumbnail": lambda picture: picture.resize((224, 224)),
    "brighter window": lambda picture: gamma(picture, 1.5),
    "more contrast": lambda picture: ImageOps.autocontrast(picture, cutoff=1),
    "shifted by two pixels": lambda picture: shifted(picture, 2),
    "one percent trimmed": lambda picture: trimmed(picture, 0.01),
}


@pytest.fixture(scope="module")
def radiographs(shared_data):
    """(patient, picture) of the 240 real chest X-rays."""
    with (shared_data / "labels_meta.csv").open() as file:
        patients = {row["image_id"]: row["patient"] for row in csv.DictReader(file)}
    paths = sorted((shared_data / "dataset").rglob("*.jpg"))
    assert len(paths) == 240 and len({patients[path.name] for path in paths}) == 204
    return [(patients[path.name], Image.open(path).convert("L")) for path in paths]


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_of_a_real_scan_is_nominated_and_confirmed(radiographs, kind):
    for _, picture in radiographs[::12]:
        (one, first), (other, second) = known(picture), known(COPIES[kind](picture))
        assert similarity.nominees(one, other[None]), kind
        assert similarity.likeness(first, second) >= similarity.CONFIRMED


def test_no_two_real_scans_are_nominated_and_far_wider_none_would_be_confirmed(radiographs):
    """So 240 X-rays of 204 patients, some with several, make no pair, let alone a chain."""
    seen = [known(picture) for _, picture in radiographs]
    hashes = np.stack([one for one, _ in seen])
    closest, likest = 256, 0.0
    for row in range(len(seen) - 1):
        assert similarity.nominees(hashes[row], hashes[row + 1 :]) == []
        distance = np.bitwise_count(hashes[row + 1 :] ^ hashes[row]).sum(axis=1)
        closest = min(closest, int(distance.min()))
        for place in np.flatnonzero(distance <= similarity.NOMINATED + 36):
            likest = max(likest, similarity.likeness(seen[row][1], seen[row + 1 + place][1]))
    assert closest >= similarity.NOMINATED + 12
    assert likest < similarity.CONFIRMED - 0.02


def test_another_patient_of_equal_build_is_not_confirmed():
    from images.phantoms import phantom

    tiles = [known(phantom(seed, 0, opacity=False))[1] for seed in range(12)]
    assert max(similarity.likeness(one, other) for one in tiles for other in tiles if one is not other) < 0.99


def test_likeness_is_one_for_itself_and_symmetric_enough_and_zero_for_a_flat_picture():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (12, 12), dtype=np.uint8)).resize(TILE, Image.Resampling.BICUBIC)
    tile = np.asarray(smooth)
    flat = np.full_like(tile, 7)
    moved = np.asarray(shifted(smooth, 3))
    assert similarity.likeness(tile, tile) == pytest.approx(1.0)
    assert similarity.likeness(tile, flat) == similarity.likeness(flat, flat) == 0.0
    assert similarity.pearson(tile.astype(float), moved.astype(float)) < 0.99
    assert min(similarity.likeness(tile, moved), similarity.likeness(moved, tile)) >= 0.99


def test_neither_a_mirrored_nor_an_inverted_picture_is_the_same(radiographs):
    picture = radiographs[0][1]
    tile = known(picture)[1]
    for other in (ImageOps.mirror(picture), ImageOps.invert(picture)):
        assert similarity.likeness(tile, known(other)[1]) < 0.9


def test_the_closest_nominees_come_first_and_a_crowd_is_cut():
    base = similarity.hashes(["0" * 64])[0]
    others = similarity.hashes([f"{(1 << bits) - 1:064x}" for bits in (5, 41, 0, 40, 2)])
    assert similarity.nominees(base, others) == [(2, 0), (4, 2), (0, 5), (3, 40)]
    assert len(similarity.nominees(base, similarity.hashes(["0" * 64] * 200))) == similarity.MOST_NOMINEES
    assert similarity.nominees(base, others[:0]) == []
