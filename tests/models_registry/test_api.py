"""The registry over HTTP, with real access tokens."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from images.models import Image
from mediscan_site.core.models import AuditEvent
from models_registry import tasks
from models_registry.deployments.services import deploy
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Feedback, Grade
from tests.conftest import scan_bytes
from tests.models_registry.conftest import report

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(monkeypatch, settings):
    """A worker that answers at once: the message runs the worker's own function, still outside of any transaction's hook."""
    from mediscan_site.core import work

    def run_now(task, pk: int) -> None:
        if task is tasks.grade:
            run_grade(pk)

    monkeypatch.setattr(work, "send", run_now)


def upload(seed: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile(f"scan{seed}.jpg", scan_bytes(seed), "image/jpeg")


def code_of(response) -> str:
    return str(response.json()["errors"][0]["code"])


def attr_of(response) -> str:
    return str(response.json()["errors"][0]["attr"])


def test_a_new_file_is_graded_in_one_call(api, author, project, deployed, worker):
    response = api(author).post(
        "/api/v1/grades/", {"project": project.pk, "file": upload(), "patient": "P 7"}, format="multipart"
    )
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["status"] == "succeeded"
    assert body["prediction"] in ("NORMAL", "OPACITY")
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["confidence"] == pytest.approx(body["probabilities"][body["prediction"]])
    assert (body["decision"], body["label"], body["reasons"]) == ("answer", body["prediction"], [])
    assert body["model"] == deployed.code
    assert body["heatmap"].endswith(f"/api/v1/grades/{body['id']}/heatmap/")
    assert body["research_use"].startswith("Research use only")
    assert body["latency_ms"] > 0
    scan = Image.objects.get()
    assert body["image"] == scan.code
    assert scan.patient not in (None, "P 7")


def test_a_stored_scan_is_graded_by_its_code(api, author, deployed, make_scan, worker):
    image = make_scan()
    response = api(author).post("/api/v1/grades/", {"image": image.code}, format="json")
    assert (response.status_code, response.json()["image"]) == (201, image.code)


def test_without_a_worker_the_grade_is_accepted_and_waits(api, author, deployed, make_scan):
    client = api(author)
    response = client.post("/api/v1/grades/?wait=0", {"image": make_scan().pk}, format="json")
    assert response.status_code == 202
    body = response.json()
    assert response["Location"].endswith(f"/api/v1/grades/{body['id']}/")
    assert (body["status"], body["prediction"], body["decision"], body["label"]) == ("queued", None, None, None)
    assert body["heatmap"]
    assert client.get(f"/api/v1/grades/{body['id']}/heatmap/?wait=0").status_code == 409
    run_grade(body["id"])
    assert client.get(response["Location"]).json()["status"] == "succeeded"


def test_a_broker_that_is_away_does_not_lose_the_grade(
    api, author, deployed, make_scan, monkeypatch, django_capture_on_commit_callbacks
):
    from kombu.exceptions import OperationalError

    def away(**kwargs) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.grade, "apply_async", away)
    image = make_scan()
    with django_capture_on_commit_callbacks(execute=True):
        response = api(author).post("/api/v1/grades/?wait=0", {"image": image.pk}, format="json")
    assert response.status_code == 202
    assert Grade.objects.get().status == "queued"


@pytest.mark.parametrize("wait", ["-1", "soon", "nan", "61", ""])
def test_a_wait_that_is_no_number_of_seconds_is_refused(wait, api, author, deployed):
    response = api(author).post(f"/api/v1/grades/?wait={wait}", {"image": 1}, format="json")
    assert (response.status_code, attr_of(response)) == (400, "wait")


def test_without_a_deployed_model_nothing_is_stored(api, author, project):
    response = api(author).post("/api/v1/grades/", {"project": project.pk, "file": upload()}, format="multipart")
    assert (response.status_code, code_of(response)) == (409, "no_deployed_model")
    assert not Image.objects.exists()


def test_a_request_for_a_grade_names_its_wrong_field(api, author, project, deployed):
    client = api(author)
    neither = client.post("/api/v1/grades/", {"project": project.pk}, format="json")
    assert (neither.status_code, attr_of(neither)) == (400, "file")
    no_project = client.post("/api/v1/grades/", {"file": upload()}, format="multipart")
    assert (no_project.status_code, attr_of(no_project)) == (400, "project")
    no_image = client.post("/api/v1/grades/", {"image": 999}, format="json")
    assert (no_image.status_code, code_of(no_image)) == (400, "does_not_exist")
    text = SimpleUploadedFile("notes.jpg", b"not a picture", "image/jpeg")
    broken = client.post("/api/v1/grades/", {"project": project.pk, "file": text}, format="multipart")
    assert 400 <= broken.status_code < 500
    assert attr_of(broken) == "file"
    assert not Grade.objects.exists()


def test_the_heat_map_is_a_picture_with_its_digest(api, answered, author):
    grade = answered()
    client = api(author)
    response = client.get(f"/api/v1/grades/{grade.pk}/heatmap/", HTTP_ACCEPT="image/png")
    body = b"".join(response.streaming_content)
    assert response["Content-Type"] == "image/png"
    assert body.startswith(b"\x89PNG")
    grade.refresh_from_db()
    assert response["ETag"] == f'"{grade.heatmap.sha256}"'
    assert response["Cache-Control"] == "private, no-store"
    assert AuditEvent.objects.filter(action="scan.open", details__kind="heatmap").count() == 1
    again = client.get(f"/api/v1/grades/{grade.pk}/heatmap/", HTTP_IF_NONE_MATCH=response["ETag"])
    assert again.status_code == 304


def test_a_heat_map_the_worker_did_not_draw_is_drawn_when_asked_for(api, answered, author):
    grade = answered()
    Grade.objects.filter(pk=grade.pk).update(heatmap=None, finished_at=None)
    assert api(author).get(f"/api/v1/grades/{grade.pk}/heatmap/").status_code == 200
    assert Grade.objects.get(pk=grade.pk).heatmap is not None


def test_a_failed_grade_has_no_heat_map(api, answered, author):
    grade = answered()
    Grade.objects.filter(pk=grade.pk).update(status="failed")
    response = api(author).get(f"/api/v1/grades/{grade.pk}/heatmap/")
    assert (response.status_code, code_of(response)) == (409, "grade_failed")


def test_a_model_is_shown_with_the_contracts_names(api, deployed, author, outsider):
    body = api(author).get(f"/api/v1/models/{deployed.code}/").json()
    assert body["model_id"] == deployed.code
    assert (body["version"], body["stage"], body["accuracy"]) == ("v1.0", "deployed", 0.9)
    assert body["labeled_dataset"] == deployed.snapshot.code
    assert body["classes"] == ["NORMAL", "OPACITY"]
    assert body["metrics"]["balanced_accuracy"] == {"value": 0.9, "low": 0.8, "high": 0.97}
    assert (body["metrics"]["grouping"], body["metrics"]["test_reads"]) == ("patient", 1)
    assert body["card"]["research_use"].startswith("Research use only")
    assert body["calibration"]["temperature"] == 1.5
    assert api(outsider).get(f"/api/v1/models/{deployed.pk}/").status_code == 404
    assert api(outsider).get("/api/v1/models/").json()["results"] == []


def test_the_list_of_models_needs_the_same_queries_however_long(
    api, make_version, author, django_assert_max_num_queries
):
    for seed in range(4):
        make_version(seed=seed)
    client = api(author)
    with django_assert_max_num_queries(8):
        assert len(client.get("/api/v1/models/").json()["results"]) == 4


def test_deploying_and_rolling_back(api, make_version, admin, author, project):
    first, second = make_version(), make_version(seed=1)
    client = api(admin)
    made = client.post(f"/api/v1/models/{first.code}/deploy/")
    assert made.status_code == 200, made.content
    body = made.json()
    assert (body["model"], body["project"], body["kind"], body["previous"]) == (first.code, project.pk, "deploy", None)
    assert (body["gate"]["passed"], body["deployed_by"]) == (True, "admin")
    client.post(f"/api/v1/models/{second.pk}/deploy/")
    back = client.post("/api/v1/deployments/rollback/", {"project": project.pk}, format="json")
    assert (back.status_code, back.json()["model"], back.json()["kind"]) == (200, first.code, "rollback")
    nothing = client.post("/api/v1/deployments/rollback/", {"project": project.pk}, format="json")
    assert (nothing.status_code, code_of(nothing)) == (409, "nothing_to_roll_back")
    assert len(client.get(f"/api/v1/deployments/?project={project.pk}").json()["results"]) == 3
    assert api(author).post(f"/api/v1/models/{first.pk}/deploy/").status_code == 403


def test_the_gates_refusal_and_its_override(api, make_version, admin):
    model = make_version(metrics=report(0.4, 0.3, 0.45))
    client = api(admin)
    refused = client.post(f"/api/v1/models/{model.pk}/deploy/", {}, format="json")
    assert (refused.status_code, code_of(refused)) == (409, "gate_refused")
    assert "not above chance" in refused.json()["errors"][0]["detail"]
    forced = client.post(f"/api/v1/models/{model.pk}/deploy/", {"override_reason": "A drill."}, format="json")
    assert (forced.status_code, forced.json()["override_reason"]) == (200, "A drill.")


def test_an_evaluation_is_accepted_as_a_job(api, make_snapshot, make_version, admin):
    snapshot = make_snapshot(4)
    model = make_version(on=snapshot)
    client = api(admin)
    response = client.post(f"/api/v1/models/{model.pk}/evaluate/", {"dataset": snapshot.code}, format="json")
    assert response.status_code == 202, response.content
    job = client.get(response["Location"]).json()
    assert (job["model"], job["dataset"], job["status"], job["result"]) == (
        model.code,
        snapshot.code,
        "queued",
        None,
    )
    from models_registry.evaluations.worker import run_evaluation

    run_evaluation(job["id"])
    done = client.get(response["Location"]).json()
    assert (done["status"], done["progress"], done["test_reads"]) == ("succeeded", 1.0, 2)
    assert done["result"]["n"] == 4


def test_the_list_of_evaluations_does_not_repeat_what_one_of_them_tells(api, make_version, admin):
    evaluation = make_version().evaluations.get()
    client = api(admin)
    (row,) = client.get("/api/v1/evaluations/").json()["results"]
    whole = client.get(f"/api/v1/evaluations/{evaluation.pk}/").json()
    assert whole["result"] == whole["metrics"] == report()
    assert row["metrics"] == {name: value for name, value in report().items() if name != "curves"}
    assert row["result"] == {name: report()[name] for name in ("n", "accuracy", "balanced_accuracy")}
    assert {**row, "metrics": {}, "result": {}} == {**whole, "metrics": {}, "result": {}}


def test_feedback_by_class_name(api, answered, colleague, outsider):
    grade = answered()
    wrong = grade.project.class_rows.exclude(pk=grade.prediction_id).get().name
    client = api(colleague)
    body = {"grade": grade.pk, "correct": False, "correct_label": wrong, "comment": "Seen again."}
    made = client.post("/api/v1/feedback/", body, format="json")
    assert made.status_code == 201, made.content
    assert (made.json()["correct_label"], made.json()["held_for_admin"], made.json()["author"]) == (
        wrong,
        False,
        "colleague",
    )
    unsaid = client.post("/api/v1/feedback/", {"grade": grade.pk}, format="json")
    assert (unsaid.status_code, attr_of(unsaid)) == (400, "correct")
    unknown = client.post(
        "/api/v1/feedback/", {"grade": grade.pk, "correct": False, "correct_label": "ZEBRA"}, format="json"
    )
    assert (unknown.status_code, attr_of(unknown)) == (400, "correct_label")
    foreign = api(outsider).post("/api/v1/feedback/", {"grade": grade.pk, "correct": True}, format="json")
    assert (foreign.status_code, code_of(foreign)) == (400, "does_not_exist")
    assert Feedback.objects.count() == 1


def test_the_history_shows_grade_feedback_and_label_newest_first(api, answered, colleague):
    from models_registry.grades.feedback import give_feedback

    older, newer = answered(seed=1, patient="P 1"), answered(seed=2)
    wrong = older.project.class_rows.exclude(pk=older.prediction_id).get()
    give_feedback(actor=colleague, grade=older, correct=False, correct_class=wrong)
    client = api(colleague)
    rows = client.get("/api/v1/history/").json()["results"]
    assert [row["id"] for row in rows] == [newer.pk, older.pk]
    row = rows[1]
    assert (row["image"], row["file_name"], row["model"]) == (older.image.code, "scan1.jpg", older.model.code)
    assert (row["prediction"], row["reference_label"]) == (older.prediction.name, wrong.name)
    assert (row["feedback"][0]["correct"], row["feedback"][0]["author"]) == (False, "colleague")

    def found(query: str) -> list[int]:
        answer = client.get(f"/api/v1/history/?{query}")
        assert answer.status_code == 200, answer.content
        return [entry["id"] for entry in answer.json()["results"]]

    assert found(f"patient={older.image.patient}") == [older.pk]
    assert found(f"image={newer.image.code}") == [newer.pk]
    assert found(f"project={older.project_id}&model={older.model.code}&decision=answer") == [newer.pk, older.pk]
    assert found("decision=refer") == found("project=999") == found("model=zebra") == []
    assert found(f"prediction={older.prediction.name}&image={older.image_id}") == [older.pk]
    assert found("after=2999-01-01T00:00:00Z") == found("before=1999-01-01T00:00:00Z") == []
    assert client.get("/api/v1/history/?decision=maybe").status_code == 400


def test_the_history_as_csv_has_every_row(api, answered, author):
    grades = [answered(seed=seed) for seed in (1, 2)]
    response = api(author).get("/api/v1/history/?format=csv&page_size=1")
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert lines[0].startswith("id,date,project,image,")
    assert [line.split(",")[0] for line in lines[1:]] == [str(grade.pk) for grade in reversed(grades)]


def test_the_history_needs_the_same_queries_however_long(api, answered, author, django_assert_max_num_queries):
    for seed in (1, 2, 3):
        answered(seed=seed)
    client = api(author)
    with django_assert_max_num_queries(8):
        assert len(client.get("/api/v1/history/").json()["results"]) == 3


def test_approving_a_graded_scan_over_http_accepts_the_grade(api, answered, colleague):
    grade = answered()
    response = api(colleague).post("/api/v1/reviews/", {"image": grade.image.code, "status": "approved"}, format="json")
    assert response.status_code in (200, 201), response.content
    image = Image.objects.get(pk=grade.image_id)
    assert (image.approval_status, image.label_class) == ("approved", grade.prediction)


def test_a_pinned_grade_names_its_own_model_after_a_new_deployment(
    api, deployed, make_version, admin, author, make_scan
):
    image = make_scan()
    grade = request_grade(actor=author, project=image.project, image=image)
    deploy(actor=admin, model=make_version(seed=1))
    run_grade(grade.pk)
    assert api(author).get(f"/api/v1/grades/{grade.pk}/").json()["model"] == deployed.code
