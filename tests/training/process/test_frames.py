"""A run on scans of several frames, from the frozen data set to the grade."""

import numpy as np
import pytest

from images.models import Split
from images.renditions import tile
from images.services import choose_frames, update_project
from labeling.datasets.freezing import freeze_snapshot
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from models_registry.evaluations import reporting
from models_registry.inference.preprocess import shrink
from tests.images.cines import cine, store
from training.process import tiles
from training.process.sides import Sides

pytestmark = pytest.mark.django_db


@pytest.fixture
def films(project, author, colleague, admin):
    """A data set of cines of four frames, of whom those with a bright disc are sick, and one scan in each split of other frames."""
    update_project(actor=admin, project=project, changes={"frames_seen": 2})
    project.refresh_from_db()
    images = []
    for number in range(12):
        split = ("train", "val", "test")[number // 4]
        sick = bool(number % 2)
        image = store(project, author, cine(4, seed=number, bright=220 if sick else 90), patient=f"p{number}")
        image.split = split
        image.save(update_fields=["split"])
        label_scan(actor=author, image=image, label_class=project.class_rows.get(name="OPACITY" if sick else "NORMAL"))
        if number % 4 == 0:
            choose_frames(actor=author, image=image, frames=[1, 2, 4])
        review_scan(actor=colleague, image=image, status="approved")
        images.append(image)
    return images, freeze_snapshot(actor=admin, project=project)


def load(snapshot, split, **options) -> tiles.Part:
    class_ids = [entry["id"] for entry in snapshot.classes]
    return tiles.load(snapshot, split, class_ids=class_ids, done=lambda _: None, **options)


def test_each_frame_is_a_picture_of_its_scan(films):
    images, snapshot = films
    part = load(snapshot, Split.TRAIN, size=48)
    assert part.frames == (1, 2, 4, 2, 4, 2, 4, 2, 4)
    assert part.scans.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    by_key = {image.pk: image for image in images}
    whole = np.stack([tile(by_key[pk], frame) for pk, frame in zip(part.images, part.frames, strict=True)])
    assert np.array_equal(part.tiles[:], shrink(whole, 48))
    assert part.scan_images == tuple(image.pk for image in images[:4])
    assert len(part.scan_groups) == len(set(part.scan_groups)) == len(part.scan_labels) == 4
    assert tiles.pictures_in(snapshot.members.all()) == 27


def test_a_data_set_of_single_frames_is_read_as_before(make_snapshot):
    part = load(make_snapshot(4), Split.TRAIN)
    assert (part.scans, set(part.frames)) == (None, {0})
    assert part.scan_labels is part.labels
    assert part.scan_images == part.images


def test_both_sides_become_data_that_knows_its_scans(films):
    _, snapshot = films
    sides = Sides(load(snapshot, Split.TRAIN, size=32), load(snapshot, Split.VAL, size=32))
    data = sides.data(2)
    assert (len(data.train_tiles), len(data.val_tiles), len(data.judged_labels)) == (9, 9, 4)
    some = sides.data(2, np.array([0, 3]))
    assert some.val_scans.tolist() == [0, 0, 0, 1, 1]
    assert np.array_equal(some.val_tiles[:], sides.validation.tiles[[0, 1, 2, 7, 8]])
    logits = np.arange(36, dtype=np.float64).reshape(1, 18, 2)
    found = sides.of_scans(logits)
    assert found.shape == (1, 8, 2)
    assert found[0, 0].tolist() == [2, 3], "the mean of three"
    assert found[0, 4].tolist() == logits[0, 9:12].mean(axis=0).tolist()
    sample = sides.sample(2)
    assert np.array_equal(sample.train_tiles[:], sides.learning.tiles[[0, 4, 5, 8]])


def test_an_evaluation_reads_the_frozen_frames_whatever_is_chosen_now(films, author, deployed_on):
    images, snapshot = films
    predictor = deployed_on()
    asked = []
    real = reporting.reading.one

    def read(predictor, image, frame):
        asked.append((image.pk, frame))
        return real(predictor, image, frame)

    choose_frames(actor=author, image=images[8], frames=[3])
    reporting.build(snapshot, predictor, snapshot.classes, read=read)
    frames = {image.pk: [frame for pk, frame in asked if pk == image.pk] for image in images[8:]}
    assert list(frames.values()) == [[1, 2, 4], [2, 4], [2, 4], [2, 4]]


@pytest.fixture
def deployed_on(project):
    from models_registry.inference.bundle import unpack
    from models_registry.inference.predictor import Predictor
    from tests.models_registry.conftest import bundle_bytes

    return lambda: Predictor(unpack(bundle_bytes(list(project.class_rows.all()))))
