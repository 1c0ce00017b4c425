"""The record of a run: what somebody needs who wants the same weights again."""

import json
import subprocess
from pathlib import Path

import pytest
from django.urls import reverse

from training.process import provenance


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *name, "-C", folder, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("one = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_checkout_is_named_by_its_commit(repository):
    commit = git(repository, "rev-parse", "HEAD").strip()
    assert provenance.checkout(repository) == {"git_commit": commit, "git_changed": False}


def test_a_file_that_differs_from_the_commit_is_told_and_a_new_one_is_not(repository):
    (repository / "notes.txt").write_text("mine")
    assert provenance.checkout(repository)["git_changed"] is False
    (repository / "code.py").write_text("one = 2\n")
    assert provenance.checkout(repository)["git_changed"] is True


def test_without_a_checkout_or_without_git_nothing_is_claimed(tmp_path, repository, monkeypatch):
    (tmp_path / "release").mkdir()
    assert provenance.checkout(tmp_path / "release") == {}
    monkeypatch.setenv("PATH", str(tmp_path / "release"))
    assert provenance.checkout(repository) == {}


def test_the_processor_has_its_own_name_or_the_platforms(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Some CPU 9000\nprocessor\t: 1\nmodel name\t: Some CPU 9000\n")
    assert provenance.cpu_model(listing) == "Some CPU 9000"
    assert provenance.cpu_model(tmp_path / "away")


@pytest.mark.django_db
def test_the_record_of_a_run_has_its_data_its_code_its_packages_and_its_machine(project, admin, bare_snapshot):
    from training.models import TrainingRun

    snapshot = bare_snapshot()
    run = TrainingRun.objects.create(project=project, snapshot=snapshot, created_by=admin, config={"seed": 7})
    found = provenance.of(run)
    assert found["dataset_hash"] == snapshot.content_hash
    assert found["test_hash"] == snapshot.test_hash
    assert found["seed"] == 7
    wanted = {"mediscan", "python", "torch", "torchvision", "numpy", "safetensors", "pillow", "cpu", "cpu_capability"}
    assert {name for name in wanted if not found[name]} == set()
    assert found["threads"] >= 1
    assert found == json.loads(json.dumps(found))


@pytest.mark.django_db
def test_the_page_of_a_run_shows_its_record(client, project, admin, bare_snapshot):
    from training.models import TrainingRun

    run = TrainingRun.objects.create(
        project=project, snapshot=bare_snapshot(), created_by=admin, config={"seed": 7, "initialisation_note": ""}
    )
    client.force_login(admin)
    assert "<h2>Record</h2>" not in client.get(reverse("run", args=[run.pk])).content.decode()
    facts = {**provenance.of(run), "git_commit": "c0ffee", "git_changed": True}
    TrainingRun.objects.update(environment=facts)

    page = client.get(reverse("run", args=[run.pk])).content.decode()
    for text in (run.snapshot.content_hash, "c0ffee", "not committed", f"PyTorch {facts['torch']}", "seed 7"):
        assert text in page
