import csv

import numpy as np
import pytest
from PIL import Image

from images.phantoms import CLASSES, HEIGHT, SPLITS, WIDTH, iterate, phantom, write_dataset


def test_a_phantom_is_a_grey_picture_that_comes_out_the_same_again():
    image = phantom(3, 1, opacity=True)
    assert (image.mode, image.size) == ("L", (WIDTH, HEIGHT))
    assert image.tobytes() == phantom(3, 1, opacity=True).tobytes()
    pixels = np.asarray(image)
    assert pixels.min() < 30
    assert pixels.max() > 180


def test_patients_scans_and_findings_differ():
    pictures = [phantom(1, 0, opacity=False), phantom(1, 1, opacity=False), phantom(2, 0, opacity=False)]
    assert len({p.tobytes() for p in [*pictures, phantom(1, 0, opacity=True)]}) == 4


def test_an_opacity_brightens_a_part_of_the_lungs_and_leaves_the_rest():
    clear, dense = (np.asarray(phantom(5, 0, opacity=o), dtype=float) for o in (False, True))
    difference = dense - clear
    lungs = difference[HEIGHT // 6 : HEIGHT * 5 // 6, WIDTH // 6 : WIDTH * 5 // 6]
    assert np.percentile(lungs, 98) > 20
    assert abs(np.median(difference)) < 4


def test_both_classes_are_equally_frequent_and_a_patient_stays_in_one_split():
    items = list(iterate(8, 2, seed=1))
    assert [sum(i.label == name for i in items) for name in CLASSES] == [8, 8]
    sides: dict[str, set[str]] = {}
    for item in items:
        sides.setdefault(item.patient, set()).add(item.split)
    assert all(len(side) == 1 for side in sides.values())
    assert {item.split for item in items} == set(SPLITS)
    assert len({item.image_id for item in items}) == 16


def test_brightness_alone_does_not_tell_the_classes_apart():
    items = list(iterate(30, 2, seed=2))
    means = np.array([np.asarray(i.image).mean() for i in items])
    sick = np.array([i.label == CLASSES[1] for i in items])
    wins = (means[sick][:, None] > means[~sick][None]).mean()
    assert 0.3 < wins < 0.7


def test_a_written_data_set_has_the_layout_and_a_labels_file(tmp_path):
    paths = write_dataset(tmp_path / "set", 4, 2, seed=3)
    with (tmp_path / "set" / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(paths) == 8
    for row in rows:
        path = tmp_path / "set" / row["split"] / row["label"] / row["image_id"]
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "L", (WIDTH, HEIGHT))


def test_a_data_set_of_too_few_patients_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 4 patients"):
        write_dataset(tmp_path, 3, 1)
