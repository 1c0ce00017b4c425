"""Pictures with writing in them are held for a person; radiographs with a side marker are not."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from images import phantoms
from images.decoding.pieces import boxes
from images.decoding.writing import near_border
from tests.images.decoding.conftest import encode, gradient, noise, opened
from tests.images.decoding.dicoms import decode, dicom

NAME = "DOE, JANE  1961-04-12\nID 4711-0815 St. Anna"


def written_on(picture: Image.Image, text: str, *, size: int, at: tuple[int, int] = (12, 10)) -> Image.Image:
    copy = picture.copy()
    ImageDraw.Draw(copy).text(at, text, fill=235, font=ImageFont.load_default(size))
    return copy


def radiographs(shared_data: Path) -> list[Path]:
    return sorted(
        path for path in shared_data.rglob("*") if path.suffix in (".jpg", ".jpeg") and "dataset" in str(path)
    )


def test_none_of_the_real_radiographs_is_held(pool, shared_data):
    paths = radiographs(shared_data)
    assert len(paths) == 240
    assert [path.name for path in paths if pool.decode(path.read_bytes(), rendition=False).hold] == []


def test_writing_on_real_radiographs_is_found(shared_data):
    pictures = [Image.open(path).convert("L") for path in radiographs(shared_data)[::12]]
    for size in (12, 16, 24):
        found = sum(near_border(written_on(picture, NAME, size=size)) for picture in pictures)
        assert found >= 0.7 * len(pictures)


def test_no_phantom_is_held():
    assert not any(near_border(one.image.convert("L")) for one in phantoms.iterate(10, 2))


@pytest.mark.parametrize("name", ["examples_palette.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"])
def test_the_real_ultrasound_pictures_with_text_are_held_whatever_their_tag_says(pool, shared_data, name):
    assert decode(pool, (shared_data / "dicom" / name).read_bytes()).hold == "text_like_border"


def test_no_other_shared_dicom_file_is_held(pool, shared_data):
    with (shared_data / "dicom" / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        names = [row["file"] for row in csv.DictReader(lines) if row["modality"] != "US"]
    assert [name for name in names if decode(pool, (shared_data / "dicom" / name).read_bytes()).hold] == []


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF", "DICOM"])
def test_a_name_in_the_corner_is_found_in_every_format(pool, fmt):
    ground = Image.radial_gradient("L").resize((900, 700)).point(lambda grey: 200 - grey * 3 // 4)
    plain, named = ground, written_on(ground, NAME, size=18)
    if fmt == "DICOM":
        assert decode(pool, dicom(np.asarray(plain))).hold == ""
        assert decode(pool, dicom(np.asarray(named))).hold == "text_like_border"
    else:
        assert pool.decode(encode(plain, fmt)).hold == ""
        assert pool.decode(encode(named, fmt)).hold == "text_like_border"


@pytest.mark.parametrize(
    ("text", "size"), [("R", 40), ("L", 24), ("AP", 30), ("R  PA", 24), ("SUPINE", 24), ("10:42", 14)]
)
def test_a_side_marker_or_a_short_word_is_no_reason(text, size):
    assert not near_border(written_on(gradient(900, 700), text, size=size))


def test_writing_in_the_middle_of_a_picture_is_not_looked_for():
    ground = Image.new("L", (1000, 900), 40)
    assert near_border(written_on(ground, NAME, size=16, at=(30, 850)))
    assert not near_border(written_on(ground, NAME, size=16, at=(420, 440)))


@pytest.mark.parametrize("size", [(1, 1), (15, 9000), (9000, 15), (31, 31), (16, 16), (2600, 2600)])
def test_pictures_of_any_size_are_looked_at(size):
    assert near_border(noise(size, 80)) in (True, False)
    assert not near_border(Image.new("L", size, 7))


def test_noise_and_chequers_are_no_writing():
    chequers = np.kron(np.indices((60, 60)).sum(axis=0) % 2, np.ones((12, 12))).astype(np.uint8) * 255
    assert not near_border(Image.fromarray(chequers))
    assert not near_border(noise((800, 800), 120))


def test_pieces_are_connected_also_across_corners_and_through_later_rows():
    rows = ["#..#....", "#..#..#.", "####...#", "........", ".##....."]
    found = boxes(np.array([[char == "#" for char in row] for row in rows]), 100)
    assert sorted(tuple(box) for box in found) == [(0, 0, 4, 3, 8), (1, 4, 3, 5, 2), (6, 1, 8, 3, 2)]
    assert boxes(np.zeros((5, 5), bool), 100) == []
    assert boxes(np.ones((5, 5), bool), 4) == []


def test_a_held_picture_is_still_made(pool):
    named = written_on(Image.new("L", (600, 400), 30), NAME, size=16)
    decoded = pool.decode(encode(named, "PNG"))
    assert decoded.hold == "text_like_border"
    assert opened(decoded.rendition).tobytes() == Image.open(io.BytesIO(encode(named, "PNG"))).tobytes()
