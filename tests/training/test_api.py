import pytest

from images.models import Image
from labeling.models import Snapshot
from models_registry.models import Evaluation
from training.models import EpochMetrics, TrainingRun

RUNS = "/api/v1/training-runs/"


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    settings.WEIGHTS_DIR = str(tmp_path)


def test_a_run_is_started_with_codes_answered_with_202_and_its_address(api, admin, project, bare_snapshot):
    snapshot = bare_snapshot()
    body = {"project": project.pk, "dataset": snapshot.code, "pretrained": False, "epochs": 2, "image_size": 32}
    answer = api(admin).post(RUNS, body, format="json")
    assert answer.status_code == 202, answer.content
    run = answer.json()
    assert answer["Location"].endswith(f"{RUNS}{run['id']}/")
    assert run["training_id"] == f"training{run['id']:03d}"
    assert (run["dataset"], run["model"], run["status"], run["progress"]) == (snapshot.code, None, "queued", 0.0)
    assert (run["architecture"], run["pretrained"], run["epochs"], run["image_size"]) == (
        "resnet_compact",
        False,
        2,
        32,
    )
    assert run["plan"].startswith("Sees grey levels at 32 pixels, squashed: ")
    assert (run["metrics"], run["performance_metrics"], run["result"], run["error"]) == ([], {}, None, "")
    again = api(admin).get(f"{RUNS}{run['training_id']}/").json()
    assert again == run


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": "many"}, "epochs"),
        ({"epochs": 10**30}, "epochs"),
        ({"image_size": 2000}, "image_size"),
        ({"learning_rate": True}, "learning_rate"),
        ({"learning_rate": "nan"}, "learning_rate"),
        ({"learning_rate": "inf"}, "learning_rate"),
        ({"learning_rate": 10**400}, "learning_rate"),
        ({"architecture": "vgg16"}, "architecture"),
        ({"pretrained": "perhaps"}, "pretrained"),
        ({"pretrained": {"a": 1}}, "pretrained"),
        ({"dataset": "dataset999"}, "dataset"),
        ({"model": "model999"}, "model"),
        ({"project": 999999}, "project"),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(api, admin, project, bare_snapshot, body, attr):
    given = {"project": project.pk, "dataset": bare_snapshot().pk, **body}
    answer = api(admin).post(RUNS, given, format="json")
    assert answer.status_code == 400, answer.content
    assert [error["attr"] for error in answer.json()["errors"]] == [attr]
    assert not TrainingRun.objects.exists()


def test_a_plan_says_what_a_run_would_be_told_and_starts_nothing(api, admin, project, bare_snapshot):
    body = {"project": project.pk, "dataset": bare_snapshot().code, "image_size": 96, "shape": "letterbox"}
    answer = api(admin).post(f"{RUNS}plan/", body, format="json")
    assert answer.status_code == 200, answer.content
    plan = answer.json()
    assert plan["plan"].startswith("Sees grey levels at 96 pixels, at the scan's own shape: ")
    assert "From scratch with resnet_compact" in plan["start"]
    assert plan["seconds_low"] < plan["seconds"] < plan["seconds_high"]
    assert "table" in plan["estimated_from"]
    assert not TrainingRun.objects.exists()
    run = api(admin).post(RUNS, body, format="json").json()
    assert run["config"] == plan["config"]
    assert run["plan"] == plan["plan"]
    # While a run is active another cannot start; its plan can be looked at.
    assert api(admin).post(f"{RUNS}plan/", body, format="json").status_code == 200


def test_a_plan_needs_no_data_set_that_is_frozen(api, admin, project, approved_scans):
    refused = api(admin).post(f"{RUNS}plan/", {"project": project.pk}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "not_enough_data")
    for number, split in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * (number + 1), split=split)
    plan = api(admin).post(f"{RUNS}plan/", {"project": project.pk}, format="json").json()
    assert "none of 4 training scans looked at has colour" in plan["plan"]
    assert not Snapshot.objects.exists()
    assert not Image.objects.filter(split_locked=True).exists()
    run = api(admin).post(RUNS, {"project": project.pk}, format="json").json()
    assert run["config"] == plan["config"]


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"epochs": 0}, "epochs"),
        ({"sees": "windows"}, "sees"),
        ({"windows": "40"}, "windows"),
        ({"windows": "nan/40", "sees": "windows"}, "windows"),
        ({"windows": "abc", "sees": "grey"}, "windows"),
        ({"windows": "40/400", "sees": "grey"}, "windows"),
        ({"shape": "o"}, "shape"),
    ],
)
def test_a_plan_is_refused_as_the_run_would_be(api, admin, project, bare_snapshot, body, attr):
    given = {"project": project.pk, "dataset": bare_snapshot().pk, **body}
    for address in (f"{RUNS}plan/", RUNS):
        answer = api(admin).post(address, given, format="json")
        assert answer.status_code == 400, answer.content
        assert [error["attr"] for error in answer.json()["errors"]] == [attr]


def test_missing_weights_and_a_second_run_are_conflicts(api, admin, project, bare_snapshot):
    body = {"project": project.pk, "dataset": bare_snapshot().pk}
    answer = api(admin).post(RUNS, {**body, "pretrained": "true"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "weights_missing")
    assert api(admin).post(RUNS, body, format="json").status_code == 202
    answer = api(admin).post(RUNS, body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "run_active")


def test_the_seeds_name_starts_a_run_too_and_members_without_the_right_may_not(
    api, admin, author, project, bare_snapshot
):
    body = {"project": project.pk, "dataset": bare_snapshot().code}
    assert api(author).post("/api/train", body, format="json").status_code == 403
    assert api(admin).post("/api/train", body, format="json").status_code == 202


def test_cancelling_frees_the_project_and_cancelling_again_is_a_conflict(
    api, admin, author, outsider, project, bare_snapshot
):
    run = api(admin).post(RUNS, {"project": project.pk, "dataset": bare_snapshot().pk}, format="json").json()
    address = f"{RUNS}{run['training_id']}/cancel/"
    assert api(outsider).post(address).status_code == 404
    assert api(author).post(address).status_code == 403
    answer = api(admin).post(address)
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert api(admin).post(address).status_code == 409


@pytest.fixture
def past_runs(project, admin, bare_snapshot, make_version):
    """Succeeded runs with a version, an evaluation and two epochs each."""

    def make(count: int) -> None:
        snapshot = bare_snapshot()
        for number in range(count):
            model = make_version(snapshot)
            metrics = {"f1": {"value": 0.75, "low": 0.5, "high": 0.9}, "n": 4}
            Evaluation.objects.create(
                model=model,
                snapshot=snapshot,
                origin="training",
                requested_by=admin,
                metrics=metrics,
                test_reads=number,
            )
            run = TrainingRun.objects.create(
                project=project,
                snapshot=snapshot,
                created_by=admin,
                model=model,
                active=None,
                status="succeeded",
                config={"architecture": "resnet18", "pretrained": False, "epochs": 2, "seed": 0, "image_size": 32}
                | {"initialisation": "scratch"},
            )
            for epoch in (1, 2):
                EpochMetrics.objects.create(run=run, epoch=epoch, phase="full", metrics={"val_loss": 1 / epoch})

    return make


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(
    api, admin, past_runs, django_assert_max_num_queries
):
    past_runs(6)
    client = api(admin)
    with django_assert_max_num_queries(7):
        rows = client.get(RUNS).json()["results"]
    assert len(rows) == 6
    assert [entry["epoch"] for entry in rows[0]["metrics"]] == [1, 2]
    assert rows[0]["performance_metrics"]["f1_score"] == 0.75
    assert rows[0]["performance_metrics"]["intervals"]["f1_score"] == [0.5, 0.9]
    assert rows[0]["performance_metrics"]["grouping"] == "patient"
    assert rows[0]["result"]["model"] == rows[0]["model"]


def test_lists_are_filtered_by_project_status_and_model_and_come_as_csv(api, admin, outsider, project, past_runs):
    past_runs(2)
    client = api(admin)
    assert len(client.get(f"{RUNS}?project={project.pk}&status=succeeded").json()["results"]) == 2
    assert client.get(f"{RUNS}?project=999").json()["results"] == []
    assert client.get(f"{RUNS}?status=running").json()["results"] == []
    assert client.get(f"{RUNS}?status=odd").status_code == 400
    assert api(outsider).get(RUNS).json()["results"] == []
    text = b"".join(client.get(f"{RUNS}?format=csv").streaming_content).decode()
    assert len(text.strip().splitlines()) == 3
    assert "training_id" in text.splitlines()[0]
