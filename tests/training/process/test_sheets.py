"""The contact sheet of a run: what is drawn, who sees it, and that it goes with any scan on it."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from images.models import Split
from images.services import delete_scan
from mediscan_site.core import work
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.book import gateway
from training.engine import contact
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.models import ShownScan, TrainingRun
from training.process import sheets
from training.process.recorder import Recorder

LOOKS = {
    "tile": {},
    "colour": {"sees": "colour"},
    "windows": {"sees": "windows", "windows": "40/400, -600/1500"},
    "one window": {"sees": "windows", "windows": "40/400"},
}
each_look = pytest.mark.parametrize("told", LOOKS.values(), ids=LOOKS)


class NoBook:
    def __init__(self) -> None:
        self.pictures: list[bytes] = []

    def inputs_sheet(self, picture: bytes) -> None:
        self.pictures.append(picture)


def inputs(config: TrainConfig, n: int = 8) -> np.ndarray:
    shape = (n, config.image_size, config.image_size)
    channels = config.look.channels
    return np.random.default_rng(3).integers(0, 256, shape if channels == 1 else (*shape, channels), dtype=np.uint8)


def train_data(config: TrainConfig, n: int = 8) -> TrainData:
    labels = np.arange(n, dtype=np.int64) % 2
    return TrainData(inputs(config, n), labels, inputs(config, 4), labels[:4], 2)


@each_look
def test_it_shows_what_the_network_is_given_and_how_it_is_changed(told):
    config = TrainConfig(image_size=32, augment=1.0, **told)
    pixels = inputs(config)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    before, after = contact.before_and_after(pixels, config)
    assert torch.equal(torch.rand(3), wanted), "the run's random numbers are left alone"
    assert np.array_equal(before, pixels)
    assert (after.shape, after.dtype) == (pixels.shape, np.uint8)
    assert np.abs(after.astype(float) - pixels).mean() > 5
    assert np.array_equal(after, contact.before_and_after(pixels, config)[1])
    still = contact.before_and_after(pixels, TrainConfig(image_size=32, augment=0.0, **told))
    assert np.array_equal(still[1], pixels)


@each_look
def test_each_scan_stands_above_itself_in_pixels_that_can_be_counted(told):
    config = TrainConfig(image_size=32, **told)
    before, after = inputs(config, 7), 255 - inputs(config, 7)
    drawn = np.asarray(Pillow.open(io.BytesIO(sheets.drawn(before, after))))
    cell, step = 4 * 32, 4 * 32 + sheets.GAP
    assert drawn.shape[1] == sheets.MARGIN + 6 * step
    for column, row, strip in ((0, 0, 0), (5, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)):
        top = sheets.GAP + strip * (2 * step + sheets.GAP) + row * step
        left = sheets.MARGIN + column * step
        shown = drawn[top : top + cell : 4, left : left + cell : 4]
        one = (before, after)[row][6 * strip + column]
        assert np.array_equal(shown[..., 0], one if one.ndim == 2 else one[..., 0])
        assert np.array_equal(shown[..., 1], one if one.ndim == 2 else one[..., 1])


def test_every_class_is_on_it_no_scan_twice_and_of_large_pictures_fewer():
    labels = np.array([0] * 200 + [1] * 2 + [2] * 30, dtype=np.int64)
    shown = contact.chosen(labels, 3, TrainConfig(image_size=64))
    assert len(set(shown.tolist())) == len(shown) == contact.MOST_SCANS
    assert set(labels[shown].tolist()) == {0, 1, 2}
    large = contact.chosen(labels, 3, TrainConfig(image_size=1024, sees="colour"))
    assert len(large) == contact.FEWEST_SCANS
    assert len(contact.chosen(labels[:5], 1, TrainConfig())) == 5


def test_large_pictures_are_brought_down():
    config = TrainConfig(image_size=512, sees="colour")
    drawn = Pillow.open(io.BytesIO(sheets.drawn(inputs(config, 6), inputs(config, 6))))
    assert drawn.size == (sheets.MARGIN + 6 * (sheets.CELL + sheets.GAP), sheets.GAP + 2 * sheets.CELL + 3 * sheets.GAP)


@pytest.fixture
def run(start):
    run = start(image_size=32)
    assert work.claim(TrainingRun, run.pk) == 1
    run.refresh_from_db()
    return run


@pytest.fixture
def images(run):
    return tuple(run.snapshot.members.filter(split=Split.TRAIN).order_by("pk").values_list("image", flat=True))


@pytest.fixture
def shown(run, images):
    """The run with its sheet."""
    config = TrainConfig(image_size=32)
    book = NoBook()
    sheets.keep(Recorder(run, 1), book, train_data(config, len(images)), config, images)
    run.refresh_from_db()
    assert book.pictures == [blobs.read(run.inputs_sheet)]
    return run


def address(run: TrainingRun) -> str:
    return f"/api/v1/training-runs/{run.pk}/inputs-sheet/"


@pytest.mark.django_db
def test_members_see_it_on_the_page_and_over_the_api_and_each_look_is_audited(shown, images, author, api, client):
    told = api(author).get(f"/api/v1/training-runs/{shown.pk}/").json()["inputs_sheet"]
    assert told.endswith(address(shown))
    answer = api(author).get(told, HTTP_ACCEPT="image/png")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    picture = b"".join(answer.streaming_content)
    assert Pillow.open(io.BytesIO(picture)).format == "PNG"
    event = AuditEvent.objects.get(action="scan.open")
    assert event.object_id == str(shown.pk)
    assert event.details == {"kind": "inputs_sheet", "scans": sorted(images)}
    client.force_login(author)
    page = client.get(f"/runs/{shown.pk}/").content.decode()
    assert f'src="{address(shown)}"' in page
    assert 'alt="Training scans as the network is given them' in page


@pytest.mark.django_db
def test_an_outsider_does_not_see_it(shown, outsider, api):
    assert api(outsider).get(address(shown)).status_code == 404
    assert not AuditEvent.objects.filter(action="scan.open").exists()


@pytest.mark.django_db
def test_without_one_the_answer_says_why_and_the_page_shows_none(run, author, api, client):
    assert api(author).get(f"/api/v1/training-runs/{run.pk}/").json()["inputs_sheet"] is None
    answer = api(author).get(address(run))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "no_inputs_sheet")
    client.force_login(author)
    assert "What the network sees" not in client.get(f"/runs/{run.pk}/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_it_is_destroyed_with_any_scan_on_it_and_stays_for_others(shown, images, admin, author, api):
    sheet = shown.inputs_sheet
    assert set(ShownScan.objects.values_list("image", flat=True)) == set(images)
    other = shown.snapshot.members.filter(split=Split.VAL)[0].image
    delete_scan(actor=admin, image=other)
    shown.refresh_from_db()
    assert shown.inputs_sheet == sheet
    delete_scan(actor=admin, image=shown.snapshot.members.get(image=images[-1]).image)
    shown.refresh_from_db()
    assert shown.inputs_sheet is None
    assert not ShownScan.objects.exists()
    with pytest.raises(DamagedObject, match="erased"):
        blobs.read(Blob.objects.get(pk=sheet.pk))
    assert api(author).get(address(shown)).status_code == 409


@pytest.mark.django_db
def test_a_scan_that_is_erased_while_it_is_drawn_is_not_shown(run, images, admin):
    config = TrainConfig(image_size=32)
    delete_scan(actor=admin, image=run.snapshot.members.get(image=images[0]).image)
    before = Blob.objects.count()
    sheets.keep(Recorder(run, 1), NoBook(), train_data(config, len(images)), config, images)
    run.refresh_from_db()
    assert (run.inputs_sheet, Blob.objects.count()) == (None, before)
    assert not ShownScan.objects.exists()


@pytest.mark.django_db
def test_a_resumed_run_keeps_the_one_it_has(shown, images, monkeypatch):
    monkeypatch.setattr(sheets, "drawn", None)
    TrainingRun.objects.update(attempt=2)
    sheets.keep(
        Recorder(shown, 2), NoBook(), train_data(TrainConfig(image_size=32), 4), TrainConfig(image_size=32), images
    )
    before = shown.inputs_sheet_id
    shown.refresh_from_db()
    assert shown.inputs_sheet_id == before


@pytest.mark.django_db
def test_an_attempt_that_lost_the_run_draws_none_and_stops(run, images):
    TrainingRun.objects.update(attempt=2)
    config = TrainConfig(image_size=32)
    with pytest.raises(work.Stopped):
        sheets.keep(Recorder(run, 1), NoBook(), train_data(config, len(images)), config, images)
    assert not ShownScan.objects.exists()


@pytest.mark.django_db
def test_what_cannot_be_drawn_stops_no_run(run, images, monkeypatch, caplog):
    monkeypatch.setattr(sheets, "drawn", None)
    config = TrainConfig(image_size=32)
    sheets.keep(Recorder(run, 1), NoBook(), train_data(config, len(images)), config, images)
    assert "No contact sheet of" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("allowed", [False, True])
def test_mlflow_gets_it_only_where_the_site_says_so(run, settings, monkeypatch, allowed):
    from training.process.book import Book

    told = []
    monkeypatch.setattr(gateway, "log_picture", lambda *words: told.append(words))
    settings.TRAINING_SHEET_IN_MLFLOW = allowed
    book = Book(run)
    book.inputs_sheet(b"picture")
    book.close()
    assert told == ([(run.mlflow_run_id, "inputs_sheet", b"picture")] if allowed else [])


def test_by_default_it_does_not(settings):
    assert settings.TRAINING_SHEET_IN_MLFLOW is False


def test_the_picture_that_is_logged_is_the_sheet(monkeypatch):
    told = {}
    client = SimpleNamespace(log_image=lambda run_id, image, path: told.update({path: (run_id, image.size)}))
    monkeypatch.setattr(gateway, "_client", lambda: client)
    config = TrainConfig(image_size=32)
    gateway.log_picture("run", "inputs_sheet", sheets.drawn(inputs(config), inputs(config)))
    assert told == {"figures/inputs_sheet.png": ("run", (864, 540))}
