"""A run on scans of several frames, from the frozen data set to the grade."""

import numpy as np
import pytest

from images.models import Rendition, RenditionKind, Split
from images.renditions import tile
from images.services import choose_frames, update_project
from labeling.datasets.freezing import freeze_snapshot
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from mediscan_site.core import work
from models_registry.evaluations import reporting
from models_registry.inference.frames import of_each_scan
from models_registry.inference.preprocess import shrink
from models_registry.versions import framing
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


@pytest.fixture
def spoiled(project, author, colleague, admin):
    """Validation scans of which of four frames one, two or three show nothing, and a whole one; all frames are looked at."""
    update_project(actor=admin, project=project, changes={"frames_seen": 4})
    project.refresh_from_db()
    blanks = [(1,), (1, 4), (1, 3, 4), ()]
    images = []
    for number in range(12):
        blank = blanks[number - 4] if 4 <= number < 8 else ()
        data = cine(4, seed=number, blank=blank, bright=220 if number % 2 else 90)
        image = store(project, author, data, patient=f"p{number}")
        image.split = ("train", "val", "test")[number // 4]
        image.save(update_fields=["split"])
        label_scan(
            actor=author, image=image, label_class=project.class_rows.get(name="OPACITY" if number % 2 else "NORMAL")
        )
        choose_frames(actor=author, image=image, frames=[1, 2, 3, 4])
        review_scan(actor=colleague, image=image, status="approved")
        images.append(image)
    return images[4:8], freeze_snapshot(actor=admin, project=project)


@pytest.mark.parametrize("stored", [True, False])
def test_frames_that_show_nothing_are_left_out_as_when_the_scan_is_answered(spoiled, deployed_on, stored):
    """So that what is calibrated is the mean that serves: of the readable frames, where they are at least half."""
    images, snapshot = spoiled
    if not stored:
        Rendition.objects.filter(kind=RenditionKind.TILE).delete()
    predictor = deployed_on()
    part = load(snapshot, Split.VAL)
    assert part.frames == (2, 3, 4, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4)
    assert part.scans.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    calibrated = of_each_scan(predictor.predict(part.tiles[:]).logits, part.scans)
    served = [framing.answer(predictor, image, (1, 2, 3, 4)).said for image in images]
    assert np.allclose(calibrated, np.concatenate([said.logits for said in served]), atol=1e-5)
    assert [bool(said.unreadable[0]) for said in served] == [False, False, True, False]


def test_who_asks_a_run_to_stop_is_heard_while_frames_are_looked_at(spoiled):
    _, snapshot = spoiled

    def stop(done: int) -> None:
        assert done == 0
        raise work.Stopped

    with pytest.raises(work.Stopped):
        tiles.load(snapshot, Split.VAL, class_ids=[entry["id"] for entry in snapshot.classes], done=stop)


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
