"""A scan that the model cannot know goes back to a doctor, with the reasons, everywhere the grade is shown."""

import csv
import io

import pytest
import torch
from django.urls import reverse

from images.models import Metadata
from images.services import update_project
from models_registry.deployments.services import deploy
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.inference import bundle as bundles
from models_registry.inference.knowing.facts import Knowing
from models_registry.inference.knowing.lowlevel import WIDTH
from models_registry.models import Grade
from models_registry.versions.services import register_version
from tests.models_registry.conftest import bundle_bytes

pytestmark = pytest.mark.django_db
FAR, NEAR = 1e-3, 1e6


def knowing_bundle(classes, limit: float, **facts) -> bytes:
    """A bundle that calls everything from `limit` on foreign."""
    plain = bundles.unpack(bundle_bytes(classes))
    width = plain.state_dict["fc.weight"].shape[1]
    sights = {"features": limit, "look": limit}
    known = Knowing(
        n=120, n_validation=40, n_views=80, dimension=width, means=len(classes), side=32, limits=sights,
        widths={"features": 0.2, "look": 0.2}, rests={"features": 1.0, "look": 1.0},
        measured={"validation": 0.025, "mild": 0.05}, **facts,
    )  # fmt: skip
    tensors = {name: torch.zeros(shape) for name, shape in known.shapes.items()}
    tensors |= {f"knowing/{name}/scale": torch.ones(size) for name, size in (("features", width), ("look", WIDTH))}
    manifest = bundles.Manifest.from_dict({**plain.manifest.to_dict(), "knowing": known.to_dict()})
    return bundles.pack(manifest, {**plain.state_dict, **tensors})


@pytest.fixture
def knows(project, admin, snapshot):
    """`knows(FAR)`: a deployed version that knows its limits."""

    def make(limit: float, **facts):
        classes = list(project.class_rows.all())
        model = register_version(
            actor=admin, project=project, snapshot=snapshot, architecture="resnet_compact",
            bundle=knowing_bundle(classes, limit, **facts), source="training001", classes=[row.pk for row in classes],
            calibration={}, card={}, metrics={},
        )  # fmt: skip
        deploy(actor=admin, model=model)
        return model

    return make


def graded(actor, image) -> Grade:
    grade = request_grade(actor=actor, project=image.project, image=image)
    run_grade(grade.pk)
    return Grade.objects.get(pk=grade.pk)


def test_a_scan_beyond_the_limit_is_referred_and_its_distance_kept(knows, author, make_scan, api):
    knows(FAR)
    grade = graded(author, make_scan(seed=1))
    answer = api(author).get(f"/api/v1/grades/{grade.pk}/").json()
    assert (answer["decision"], answer["label"], answer["reasons"]) == ("refer", None, ["unlike_training"])
    assert answer["prediction"] in ("NORMAL", "OPACITY")
    assert answer["distance"] == grade.distance > 1
    (said,) = answer["reason_sentences"]
    assert said["code"] == "unlike_training"
    assert said["sentence"].startswith("The scan does not resemble")
    assert said["remedy"].startswith("Read the scan yourself")


def test_a_scan_within_the_limit_is_answered(knows, author, make_scan, api):
    knows(NEAR)
    grade = graded(author, make_scan(seed=1))
    answer = api(author).get(f"/api/v1/grades/{grade.pk}/").json()
    assert (answer["decision"], answer["reasons"], answer["reason_sentences"]) == ("answer", [], [])
    assert 0 < answer["distance"] < 1
    assert answer["distance_reason"] == ""


def test_the_page_says_first_that_a_doctor_should_read_and_shows_nothing_green(knows, author, make_scan, client):
    knows(FAR)
    grade = graded(author, make_scan(seed=1))
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("grade_detail", args=[grade.pk])).content.decode()
    read, why, guess = (
        page.index(text) for text in ("Please read this yourself:", "does not resemble", "would have guessed")
    )
    assert read < why < guess
    assert "badge good" not in page[read:guess]
    assert "<meter" not in page
    assert "With 90 % coverage" not in page
    assert "measured on scans of the kind" in page


def test_history_its_table_and_the_timeline_show_the_reasons(knows, author, make_scan, api, client):
    knows(FAR)
    grade = graded(author, make_scan(seed=1))
    assert api(author).get("/api/v1/history/").json()["results"][0]["reasons"] == ["unlike_training"]
    table = api(author).get("/api/v1/history/?format=csv")
    text = b"".join(table.streaming_content).decode() if table.streaming else table.content.decode()
    assert next(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))["reasons"] == '["unlike_training"]'
    told = [row["text"] for row in api(author).get(f"/api/v1/images/{grade.image.code}/timeline/").json()["results"]]
    assert any("referred. The scan does not resemble" in line for line in told)
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    assert "does not resemble" in client.get(reverse("history")).content.decode()


@pytest.mark.parametrize(
    ("told", "known", "reasons"),
    [
        ({"intended_body_part": "chest"}, {"body_part": "HAND"}, ["other_body_part"]),
        ({"intended_body_part": "chest"}, {"body_part": "THORAX"}, []),
        ({"intended_body_part": "chest"}, {"body_part": ""}, []),
        ({"intended_body_part": "chest"}, {"body_part": "ROUTINE"}, []),
        ({"intended_view": "frontal"}, {"view": "LL"}, ["other_view"]),
        ({"intended_laterality": "left"}, {"laterality": "R"}, ["other_laterality"]),
        ({"intended_age_max": 5}, {"age": 5.9}, []),
        ({"intended_age_max": 5}, {"age": 6.0}, ["other_age"]),
        ({"intended_age_min": 18}, {"age": 17.9}, ["other_age"]),
        ({"intended_age_min": 18}, {"age": None}, []),
        ({"intended_view": "PA", "intended_age_min": 18}, {"view": "AP", "age": 2}, ["other_view", "other_age"]),
        ({}, {"body_part": "HAND", "view": "LL", "age": 2}, []),
    ],
)
def test_a_scan_that_is_said_to_be_of_another_kind_is_referred(
    deployed, admin, author, project, make_scan, told, known, reasons
):
    update_project(actor=admin, project=project, changes=told)
    image = make_scan(seed=1)
    Metadata.objects.filter(image=image).update(**known)
    grade = graded(author, image)
    assert grade.reasons == reasons
    assert (grade.decision == "refer") == bool(reasons)


def test_a_picture_far_smaller_than_those_it_learned_from_is_referred(knows, author, make_scan):
    knows(NEAR, smallest_side=4000)
    assert graded(author, make_scan(seed=1)).reasons == ["too_small"]


@pytest.mark.parametrize("reason", ["", "only 60 training scans, at least 100 are needed"])
def test_a_version_that_cannot_tell_says_so_in_the_answer_on_the_page_and_on_the_card(
    make_version, admin, author, make_scan, api, client, reason
):
    model = make_version(knowing=Knowing(reason, n=60) if reason else None)
    deploy(actor=admin, model=model)
    grade = graded(author, make_scan(seed=1))
    answer = api(author).get(f"/api/v1/grades/{grade.pk}/").json()
    assert (answer["decision"], answer["distance"]) == ("answer", None)
    expected = reason or "the model was made before this was measured"
    assert answer["distance_reason"] == expected
    assert (reason or "made before this was measured") in api(author).get(f"/api/v1/models/{model.pk}/").json()[
        "card_text"
    ]
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("grade_detail", args=[grade.pk])).content.decode()
    assert "cannot tell whether this scan resembles" in page
    assert expected in page
    assert (reason or "made before this was measured") in client.get(reverse("model", args=[model.pk])).content.decode()
