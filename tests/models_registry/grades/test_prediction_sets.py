"""The prediction set of a grade: the one its thresholds were calibrated for, in names, or why there is none."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from django.core.management import call_command
from django.urls import reverse

from images.models import Image
from images.renditions import tile
from images.services import open_original, rename_class
from models_registry import selectors
from models_registry.book import loader
from models_registry.deployments.services import deploy
from models_registry.grades import prediction_sets, worker
from models_registry.grades.prediction_sets import PredictionSet
from models_registry.grades.services import request_grade
from models_registry.inference.runtimes import Outputs
from models_registry.models import Grade, ModelVersion
from models_registry.statistics.calibration import softmax
from models_registry.statistics.conformal import Conformal, SetRule
from models_registry.versions import serving
from training.engine.calibrating import HELD_OUT, CalibrationScans
from training.engine.crossfit import Confidence, Targets, calibrate

pytestmark = pytest.mark.django_db
NONE = SetRule(None, (40, 3), "43 calibration scans are too few for a coverage of 0.99")


def sets(*thresholds: float) -> Conformal:
    """Rules with a threshold on 1 - p for each class."""
    return Conformal(0.9, NONE, SetRule(thresholds, (40, 40)))


@pytest.fixture
def graded(make_version, admin, author, make_scan):
    """`graded(conformal=sets(0.9, 0.9))`: a grade that the worker's own function answered, as pages and API load it."""

    def make(**bundle) -> Grade:
        deploy(actor=admin, model=make_version(**bundle), override_reason="test")
        image = make_scan()
        grade = request_grade(actor=author, project=image.project, image=image)
        worker.run_grade(grade.pk)
        return selectors.grades(author).get(pk=grade.pk)

    return make


def test_the_set_of_a_row_is_the_one_that_its_bundle_makes(graded):
    seen = set()
    for thresholds in ((1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)):
        grade = graded(conformal=sets(*thresholds))
        model = serving.predictor(grade.model)
        found = model.prediction_set(model.predict(np.stack([tile(grade.image)])))
        assert found is not None
        said = prediction_sets.of(grade)
        assert said.classes is not None
        expected = {name for name, member in zip(model.class_names, found[0], strict=True) if member}
        assert set(said.classes) == expected
        assert (said.coverage, said.reason) == (0.9, "")
        seen.add(len(expected))
    assert seen == {0, 1, 2}


def shell(grade: Grade, folder: Path) -> str:
    """The set that `manage.py grade` prints for the same scan."""
    file = folder / "again.jpg"
    stored, _ = open_original(actor=grade.requested_by, image=grade.image)
    file.write_bytes(stored.read())
    out = io.StringIO()
    call_command("grade", str(grade.project_id), str(file), stdout=out, stderr=io.StringIO())
    return out.getvalue().rstrip("\n").split("\t")[-1]


@pytest.mark.parametrize("thresholds", [(1.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_the_shell_and_a_served_model_tell_the_same_set(graded, thresholds, tmp_path):
    grade = graded(conformal=sets(*thresholds))
    classes = prediction_sets.of(grade).classes
    assert classes is not None
    (answer,) = loader.Servable(serving.predictor(grade.model)).predict(tile(grade.image))
    assert (tuple(answer["prediction_set"]), answer["prediction_set_coverage"]) == (classes, 0.9)
    assert shell(grade, tmp_path) == (" | ".join(classes) or "none")


def test_without_thresholds_the_shell_and_a_served_model_say_so(graded, tmp_path):
    grade = graded(architecture="resnet18")
    (answer,) = loader.Servable(serving.predictor(grade.model)).predict(tile(grade.image))
    assert (answer["prediction_set"], answer["prediction_set_coverage"]) == (None, None)
    assert shell(grade, tmp_path) == "n/a"


def test_the_most_probable_class_comes_first_by_its_name_of_today(graded, admin):
    grade = graded(conformal=sets(1.0, 1.0))
    best = grade.prediction
    assert best is not None
    rename_class(actor=admin, project_class=best, name="CLEAR")
    classes = prediction_sets.of(selectors.grades(admin).get(pk=grade.pk)).classes
    assert classes is not None
    assert (classes[0], len(classes)) == ("CLEAR", 2)


def calibrated(n: int, expected: tuple[float, ...] | None) -> Confidence:
    scores, labels = world(n, 0.3, seed=0)
    scans = CalibrationScans(scores, labels, tuple(f"p{i}" for i in range(n)), HELD_OUT)
    return calibrate(scans, (0.7, 0.3), Targets(0.8, 0.9, expected), "key")


def world(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident scores (n, 2) of a class-balanced training, and labels of which ``share`` are class 1."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(np.int64)
    x = rng.normal(size=n) + 2.0 * labels - 1
    return 2 * np.stack((-x, x), axis=1), labels


@pytest.mark.parametrize("expected", [None, (0.9, 0.1)])
def test_sets_of_fresh_scans_hold_the_true_class_as_often_as_they_say(expected, make_version, monkeypatch, project):
    """Through all that serves, from the network's scores to the row read again. Five standard errors: Vovk, 2012."""
    fitted, fresh = 1000, 1000
    made = calibrated(fitted, expected)
    parts = {"calibration": made.calibration, "prior": made.prior, "conformal": made.conformal}
    model = make_version(referral=made.referral, **parts)
    scores, labels = world(fresh, 0.3 if expected is None else expected[1], seed=1)
    names = np.array([row.name for row in project.class_rows.all()])
    found = [answered(model, row, monkeypatch) for row in scores]
    sizes = [len(said.classes or ()) for said in found]
    assert {said.coverage for said in found} == {0.9}
    assert len(set(sizes)) > 1, "some sets are larger than others"
    covered = np.array([name in (said.classes or ()) for name, said in zip(names[labels], found, strict=True)])
    for chosen, n in ((labels == 0, 700), (labels == 1, 300)):
        assert covered[chosen].mean() > 0.9 - 5 * np.sqrt(0.09 * (1 / n + 1 / chosen.sum()))
    assert covered.mean() > 0.87
    if expected is not None:
        # The same thresholds on probabilities without the correction would miss their rate.
        plain = softmax(scores, made.calibration.temperature or 1.0)
        inside = made.conformal.prediction_set(plain)
        assert inside is not None
        assert inside[np.arange(fresh), labels].mean() < 0.85


def answered(model: ModelVersion, scores: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> PredictionSet:
    """The set of a scan for which the network gives these scores."""
    predictor = serving.predictor(model)
    said = Outputs(scores[None].astype(np.float32), np.zeros((1, 192), dtype=np.float32))
    with monkeypatch.context() as patch:
        patch.setattr(predictor, "_runtime", SimpleNamespace(run=lambda _: said))
        found = predictor.predict(np.zeros((1, 256, 256), dtype=np.uint8))
        grade = SimpleNamespace(model=model, image=Image())
        columns = worker._answer(grade, predictor, found)  # type: ignore[arg-type]
    kept = json.loads(json.dumps(columns))
    return prediction_sets.of(Grade(model=model, project=model.project, status="succeeded", **kept))


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ({}, "the model was made without prediction sets"),
        ({"conformal": Conformal(0.99, NONE, NONE)}, NONE.reason),
        (
            {"conformal": sets(0.9, 0.9), "calibrated": False},
            "the model is not calibrated: only 3 validation scans",
        ),
    ],
)
def test_a_model_without_sets_says_why(bundle, reason, graded):
    grade = graded(**bundle)
    assert prediction_sets.of(grade) == PredictionSet(None, None, reason)
    assert prediction_sets.of(grade).sentence == f"Prediction set: not available ({reason})."


def test_a_grade_without_an_answer_or_without_probabilities_has_no_set(graded):
    grade = graded(conformal=sets(0.9, 0.9))
    grade.probabilities = {}
    assert prediction_sets.of(grade).reason == "the grade keeps no probability of some class"
    grade.status = "queued"
    assert prediction_sets.of(grade) == PredictionSet(None, None, "the grade has no answer")


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        (("OPACITY",), "With 90 % coverage: OPACITY."),
        (
            ("OPACITY", "NORMAL"),
            "With 90 % coverage: OPACITY or NORMAL. The model cannot tell these apart on this scan.",
        ),
        (("A", "B", "C"), "With 90 % coverage: A, B or C. The model cannot tell these apart on this scan."),
        (
            (),
            "With 90 % coverage: no class fits. None is as probable here as the true class was on 90 % of the "
            "calibration scans.",
        ),
    ],
)
def test_a_set_is_said_in_a_plain_sentence(classes, sentence):
    assert PredictionSet(classes, 0.9).sentence == sentence


def test_machines_get_the_set_of_a_grade_and_of_the_history(graded, api, author, django_assert_max_num_queries):
    old, empty, both = graded(), graded(conformal=sets(0.0, 0.0)), graded(conformal=sets(1.0, 1.0))
    shares = selectors.named_probabilities(both)
    expected = {
        old.pk: (None, None, "the model was made without prediction sets"),
        empty.pk: ([], 0.9, ""),
        both.pk: (sorted(shares, key=lambda name: -shares[name]), 0.9, ""),
    }
    client = api(author)
    for address in ("/api/v1/grades/", "/api/v1/history/"):
        with django_assert_max_num_queries(8):
            rows = client.get(address).json()["results"]
        assert {row["id"]: tuple(row[name] for name in FIELDS) for row in rows} == expected
    whole = client.get(f"/api/v1/grades/{both.pk}/").json()
    assert tuple(whole[name] for name in FIELDS) == expected[both.pk]
    lines = b"".join(client.get("/api/v1/history/?format=csv").streaming_content).decode().splitlines()
    assert lines[0].endswith(",".join(FIELDS))


FIELDS = ("prediction_set", "prediction_set_coverage", "prediction_set_reason")


def test_the_schema_describes_the_set(client, author):
    client.force_login(author)
    parts = client.get("/api/schema/?format=json").json()["components"]["schemas"]
    for name in ("Grade", "History"):
        fields = parts[name]["properties"]
        assert fields["prediction_set"]["type"] == "array"
        assert fields["prediction_set"]["items"]["type"] == "string"
        assert [fields[field]["nullable"] for field in FIELDS[:2]] == [True, True]
        assert fields["prediction_set_coverage"]["type"] == "number"
        assert all(fields[field]["description"] for field in FIELDS)
        assert set(FIELDS) <= set(parts[name]["required"])


@pytest.mark.parametrize("page", ["grade_detail", "history", "scan"])
def test_pages_say_the_set_to_a_doctor(page, graded, client, author):
    grade = graded(conformal=sets(1.0, 1.0))
    client.force_login(author)
    place = {"grade_detail": [grade.pk], "history": [], "scan": [grade.image_id]}[page]
    shown = client.get(reverse(page, args=place)).content.decode()
    assert prediction_sets.of(grade).sentence in shown
    assert "With 90 % coverage: " in shown


def test_the_grade_page_says_why_there_is_no_set(graded, client, author):
    grade = graded()
    client.force_login(author)
    shown = client.get(reverse("grade_detail", args=[grade.pk])).content.decode()
    assert "Prediction set: not available (the model was made without prediction sets)." in shown
