"""A version that sees colours, windows or a scan's own shape answers everywhere by what it sees, and as MLflow would."""

import base64
import io

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image as Pillow

from images import learning
from images.models import Image, RenditionKind
from images.renditions import tile
from images.services import ScanFacts
from labeling.imports.services import upload_scan
from mediscan_site.core.storage import blobs
from models_registry.book import given, loader
from models_registry.deployments.services import deploy
from models_registry.evaluations.services import request_evaluation
from models_registry.evaluations.worker import run_evaluation
from models_registry.grades import heatmaps
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.inference.latency import latency_ms
from models_registry.inference.looks import COLOUR, LETTERBOX, SQUASH, WINDOWS, Look
from models_registry.inference.preprocess import Preprocess
from models_registry.models import Grade
from models_registry.selectors import latest_evaluation
from models_registry.versions import cards, exporting, reading, serving
from tests.models_registry.book.test_servable import Column, Frame
from training.process.tiles import TileUnusable, pixels_of

pytestmark = pytest.mark.django_db

IN_COLOUR = Preprocess(40, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3, Look(COLOUR, LETTERBOX))
IN_WINDOWS = Preprocess(40, (0.5, 0.4), (0.2, 0.2), 2, Look(WINDOWS, SQUASH, ((20000.0, 40000.0), (1000.0, 2000.0))))


def png(seed: int, *, deep: bool = False) -> bytes:
    """A long picture, in colour or in 16 bits."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (10, 30, 3), dtype=np.uint8)
    picture = Pillow.fromarray(small).resize((300, 100), Pillow.Resampling.BICUBIC)
    out = io.BytesIO()
    if deep:
        Pillow.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 150 + 40).save(out, "PNG")
    else:
        picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def make_long_scan(project, author):
    def make(seed: int = 0, *, deep: bool = False) -> Image:
        image, _ = upload_scan(
            actor=author,
            project=project,
            source=io.BytesIO(png(seed, deep=deep)),
            file_name=f"long{seed}.png",
            facts=ScanFacts(),
        )
        image.refresh_from_db()
        return image

    return make


@pytest.fixture
def colourful(make_version, admin):
    model = make_version(preprocess=IN_COLOUR)
    deploy(actor=admin, model=model)
    return model


def test_a_grade_and_its_heat_map_are_of_the_scan_in_colour_at_its_own_shape(
    colourful, make_long_scan, author, project
):
    scan = make_long_scan(1)
    grade = request_grade(actor=author, project=project, image=scan)
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.error == ""
    predictor = serving.predictor(colourful)
    pixels = IN_COLOUR.pixels([learning.view(scan)])
    expected = predictor.predict(tile(scan)[None], pixels).probabilities[0]
    assert list(grade.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-12)
    greyed = np.repeat(pixels.mean(axis=3, keepdims=True).astype(np.uint8), 3, axis=3)
    assert predictor.predict(tile(scan)[None], greyed).probabilities[0] != pytest.approx(expected, abs=1e-9)
    drawn = Pillow.open(blobs.open_blob(heatmaps.draw(Grade.objects.get(pk=grade.pk))))
    assert drawn.size == (512, 171)


def test_the_derivatives_of_many_scans_are_found_with_one_query_for_each_kind(colourful, make_long_scan):
    scans = [make_long_scan(seed) for seed in range(6)]
    for scan in scans:
        learning.view(scan)
    predictor = serving.predictor(colourful)
    fresh = list(Image.objects.select_related("blob").filter(pk__in=[scan.pk for scan in scans]).order_by("pk"))
    with CaptureQueriesContext(
        connection,
    ) as seen:
        found = reading.inputs(predictor, fresh)
    assert all(isinstance(one, reading.Input) for one in found)
    assert len([query for query in seen if "images_rendition" in query["sql"]]) == 2
    tiles, pixels = reading.stacked(found)
    assert tiles.shape == (6, 256, 256)
    assert pixels is not None
    assert pixels.shape == (6, 40, 40, 3)
    assert (found[0].width, found[0].height) == (300, 100)


def test_a_scan_without_a_view_gets_one_and_one_that_cannot_be_read_fails_alone(colourful, make_long_scan):
    scans = [make_long_scan(seed) for seed in range(3)]
    scans[1].renditions.filter(kind=RenditionKind.LEARNING).delete()
    Image.objects.filter(pk=scans[2].pk).update(blob=None)
    scans[2].renditions.all().delete()
    fresh = list(Image.objects.select_related("blob").filter(pk__in=[scan.pk for scan in scans]).order_by("pk"))
    good, made, gone = reading.inputs(serving.predictor(colourful), fresh)
    assert isinstance(good, reading.Input)
    assert isinstance(made, reading.Input)
    assert "erased" in str(gone)
    assert scans[1].renditions.filter(kind=RenditionKind.LEARNING).exists()


def test_an_evaluation_compares_a_version_that_sees_colours_with_one_that_sees_tiles(
    make_snapshot, make_version, admin
):
    snapshot = make_snapshot(6)
    plain, coloured = make_version(seed=1, on=snapshot), make_version(seed=2, on=snapshot, preprocess=IN_COLOUR)
    for deployed, asked in ((plain, coloured), (coloured, plain)):
        deploy(actor=admin, model=deployed, override_reason="To compare the two.")
        evaluation = request_evaluation(actor=admin, model=asked)
        run_evaluation(evaluation.pk)
        evaluation.refresh_from_db()
        assert evaluation.error == ""
        assert evaluation.metrics["comparison"]["deployed"] == deployed.code
        assert evaluation.metrics["comparison"]["available"] is True


def test_its_card_and_its_graph_say_what_it_sees_and_its_time_is_measured(colourful):
    card = cards.card(colourful, latest_evaluation(colourful))
    assert card["sees"] == "colour, 40 px a side, at its own shape with a margin"
    assert card["preprocess"]["sees"] == "colour"
    assert "## What it sees of a scan\nColour, 40 px a side" in cards.text(colourful, None)
    exporting.make_missing(colourful.pk)
    colourful.refresh_from_db()
    assert colourful.graph.blob is not None, colourful.graph.note
    serving.forget()
    served = serving.predictor(type(colourful).objects.select_related("graph__blob", "bundle").get(pk=colourful.pk))
    assert served.has_graph
    assert latency_ms(served) > 0


def test_a_version_that_sees_tiles_says_so_and_one_from_before_says_nothing(make_version):
    model = make_version()
    assert cards.sees(model) == "grey, 32 px a side, squashed to a square"
    del model.card["preprocess"]
    assert cards.sees(model) is None
    assert "What it sees" not in cards.text(model, None)


def frame(**columns) -> Frame:
    return Frame({name: Column(values) for name, values in columns.items()})


def as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_servable_answers_in_colour_as_the_site_does(colourful, make_long_scan):
    scans = [make_long_scan(seed) for seed in (1, 2)]
    predictor = serving.predictor(colourful)
    expected = predictor.predict(*reading.stacked(reading.inputs(predictor, scans))).probabilities
    answers = loader.Servable(predictor).predict(frame(image=[as_text(png(seed)) for seed in (1, 2)]))
    shares = [list(answer["probabilities"].values()) for answer in answers]
    assert np.array_equal(shares, expected)


def test_the_servable_answers_windows_of_sixteen_bits_as_the_site_does(make_version, make_long_scan):
    scan = make_long_scan(3, deep=True)
    view = learning.view(scan)
    assert view.pixels.dtype == np.uint16
    predictor = serving.predictor(make_version(preprocess=IN_WINDOWS))
    (site,) = reading.inputs(predictor, [scan])
    low, high = view.window
    sent = frame(image=[as_text(png(3, deep=True))], window_low=[low], window_high=[high], slope=[None])
    tiles, pixels = given.inputs(sent, IN_WINDOWS)
    assert np.array_equal(pixels[0], site.pixels)
    assert np.abs(tiles[0].astype(int) - site.tile).max() <= 1


def test_a_large_picture_is_brought_down_by_mlflow_as_at_intake(project, author):
    rng = np.random.default_rng(5)
    small = Pillow.fromarray(rng.integers(0, 256, (20, 45, 3), dtype=np.uint8))
    out = io.BytesIO()
    small.resize((2250, 1000), Pillow.Resampling.BICUBIC).save(out, "PNG")
    scan, _ = upload_scan(
        actor=author, project=project, source=io.BytesIO(out.getvalue()), file_name="large.png", facts=ScanFacts()
    )
    _, pixels = given.inputs(frame(image=[as_text(out.getvalue())]), IN_COLOUR)
    assert learning.view(scan).pixels.shape == (455, 1024, 3)
    assert np.array_equal(pixels, IN_COLOUR.pixels([learning.view(scan)]))


def alpha() -> bytes:
    out = io.BytesIO()
    Pillow.new("RGBA", (20, 20)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (np.zeros((1, 256, 256), dtype=np.int64), 'no column "image"'),
        (frame(tile=[as_text(png(1))]), 'no column "image"'),
        (frame(image=[]), "1 to 256 pictures"),
        (frame(image=["no base64!"]), "Picture 1 cannot be read"),
        (frame(image=[as_text(png(1)), as_text(png(2)[:200])]), "Picture 2 cannot be read"),
        (frame(image=[as_text(alpha())]), "of the mode RGBA"),
        (frame(image=[as_text(png(1, deep=True))]), "has 16 bits"),
        (frame(image=[as_text(png(1, deep=True))], window_low=[0.0], window_high=[float("nan")]), "has 16 bits"),
        (
            frame(image=[as_text(png(1, deep=True))], window_low=["0"], window_high=[9.0]),
            '"window_low" must be a number',
        ),
        (frame(image=[as_text(png(1, deep=True))], window_low=[0.0], window_high=[9.0], slope=[0]), "must not be 0"),
    ],
)
def test_what_the_servable_cannot_read_is_refused_with_what_would_be(sent, told):
    with pytest.raises(given.NotReadable, match=told):
        given.inputs(sent, IN_COLOUR)


def test_a_heat_map_of_what_sees_tiles_has_the_shape_that_pages_show(deployed, make_long_scan, author, project):
    scan = make_long_scan(4)
    grade = request_grade(actor=author, project=project, image=scan)
    run_grade(grade.pk)
    drawn = Pillow.open(blobs.open_blob(heatmaps.draw(Grade.objects.get(pk=grade.pk))))
    assert drawn.size == (512, 171)
    # A file whose pixels are no squares: pages show it at its true shape.
    Image.objects.filter(pk=scan.pk).update(height=50)
    Grade.objects.filter(pk=grade.pk).update(heatmap=None)
    again = Pillow.open(blobs.open_blob(heatmaps.draw(Grade.objects.get(pk=grade.pk))))
    assert again.size == pytest.approx((512, 171), abs=2)


def test_a_scan_without_own_values_is_not_taken_for_one_by_a_version_that_sees_windows(
    make_version, make_long_scan, author, admin, project
):
    model = make_version(preprocess=IN_WINDOWS)
    deploy(actor=admin, model=model)
    deep, flat = make_long_scan(1, deep=True), make_long_scan(2)
    grades = [request_grade(actor=author, project=project, image=scan) for scan in (deep, flat)]
    for grade in grades:
        run_grade(grade.pk)
        grade.refresh_from_db()
    assert [grade.status for grade in grades] == ["succeeded", "failed"]
    assert "8 bits and none of the scan's own values" in grades[1].error
    with pytest.raises(TileUnusable, match=rf"{flat.code} cannot be seen through windows. This file has 8 bits"):
        pixels_of(flat, IN_WINDOWS.look, 40)
    with pytest.raises(given.NotReadable, match="Picture 1 has 8 bits"):
        given.inputs(frame(image=[base64.b64encode(png(2)).decode()]), IN_WINDOWS)


def test_a_deployed_version_that_cannot_answer_a_test_scan_ends_the_comparison_alone(
    make_snapshot, make_version, admin
):
    snapshot = make_snapshot(6)
    plain, windowed = make_version(seed=1, on=snapshot), make_version(seed=2, on=snapshot, preprocess=IN_WINDOWS)
    deploy(actor=admin, model=windowed, override_reason="To compare the two.")
    evaluation = request_evaluation(actor=admin, model=plain)
    run_evaluation(evaluation.pk)
    evaluation.refresh_from_db()
    assert (evaluation.status, evaluation.error) == ("succeeded", "")
    found = evaluation.metrics["comparison"]
    assert found["available"] is False
    assert f"{windowed.code} could not answer every scan: This file has 8 bits" in found["reason"]
