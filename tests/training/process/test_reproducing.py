"""A finished run is trained again from its data set, and its weights are compared bit by bit."""

import pytest
import torch
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from images.models import Image, Split
from mediscan_site.core.models import AuditEvent, Blob, WorkStatus
from models_registry.models import Evaluation, ModelVersion
from training.models import EpochMetrics, TrainingRun
from training.process import reproducing, runner, tiles


def rows():
    """All that a reproduction could change."""
    tables = (TrainingRun, ModelVersion, Evaluation, EpochMetrics, AuditEvent, Blob, Image)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.fixture
def read_splits(monkeypatch):
    seen = []
    load = tiles.load

    def noted(snapshot, split, **options):
        seen.append(split)
        return load(snapshot, split, **options)

    monkeypatch.setattr(tiles, "load", noted)
    return seen


@pytest.mark.django_db(transaction=True)
def test_a_run_is_made_again_to_the_bit_and_a_changed_setting_is_found_out(tiny, read_splits, monkeypatch, capsys):
    run = tiny(epochs=1)
    runner.run(run.pk)
    before, threads = rows(), torch.get_num_threads()
    call_command("reproduce", run.code)
    assert "weights are equal to the bit" in capsys.readouterr().out
    assert set(read_splits) == {Split.TRAIN, Split.VAL}
    assert rows() == before
    assert torch.get_num_threads() == threads

    # The same scans again, more of them than may be in memory.
    with monkeypatch.context() as little:
        little.setattr(tiles, "budget", lambda: 0)
        call_command("reproduce", run.code)
    assert "weights are equal to the bit" in capsys.readouterr().out

    run.refresh_from_db()
    TrainingRun.objects.update(config={**run.config, "seed": 1}, environment={**run.environment, "numpy": "1.0"})
    with pytest.raises(CommandError, match=r"weights differ .* by at most") as told:
        call_command("reproduce", run.code)
    assert told.value.returncode == 1
    assert "numpy: 1.0 then" in capsys.readouterr().out

    TrainingRun.objects.update(config={**run.config, "epochs": 0})
    with pytest.raises(CommandError, match="epochs: must be between") as told:
        call_command("reproduce", run.code)
    assert told.value.returncode == 2


@pytest.fixture
def run(project, admin, bare_snapshot, make_version):
    """A succeeded run by its rows alone."""
    snapshot = bare_snapshot()
    return TrainingRun.objects.create(
        project=project,
        snapshot=snapshot,
        created_by=admin,
        status=WorkStatus.SUCCEEDED,
        config={"initialisation_note": ""},
        model=make_version(snapshot),
    )


@pytest.mark.django_db
def test_scans_erased_since_are_named_and_those_of_the_test_split_do_not_matter(run):
    members = run.snapshot.members.order_by("pk")
    Image.objects.filter(pk=members.filter(split=Split.TEST)[0].image_id).update(erased_at=timezone.now())
    reproducing._require_possible(run)
    gone = members.filter(split=Split.TRAIN)[0].image
    Image.objects.filter(pk=gone.pk).update(erased_at=timezone.now())
    with pytest.raises(CommandError, match=f"erased since: {gone.code}. It can never") as told:
        call_command("reproduce", run.code)
    assert told.value.returncode == 2


@pytest.mark.django_db
def test_a_run_without_a_version_cannot_be_compared(run):
    TrainingRun.objects.update(model=None, status=WorkStatus.FAILED)
    with pytest.raises(CommandError, match="is failed: it has made no version") as told:
        call_command("reproduce", str(run.pk))
    assert told.value.returncode == 2


@pytest.mark.django_db
def test_a_damaged_bundle_cannot_be_compared(run):
    with pytest.raises(CommandError, match="damaged") as told:
        call_command("reproduce", run.code)
    assert told.value.returncode == 2


@pytest.mark.django_db
def test_a_doctor_may_not_and_an_outsider_sees_no_run(run, author, outsider):
    for name, text in (("author", "train a model"), ("outsider", "There is no training run")):
        with pytest.raises(CommandError, match=text) as told:
            call_command("reproduce", run.code, actor=name)
        assert told.value.returncode == 2


def test_weights_are_compared_by_their_bits():
    kept = {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([2.0]), "c": torch.tensor([1], dtype=torch.int64)}
    assert reproducing.compare(kept, {name: value.clone() for name, value in kept.items()}) == ((), 0.0)
    other = {**kept, "a": torch.tensor([-0.0, 1.0]), "b": torch.tensor([2.5])}
    assert reproducing.compare(kept, other) == (("a", "b"), 0.5)
    assert reproducing.compare(kept, {"a": kept["a"], "b": torch.ones(2)}) == (("b", "c"), float("inf"))


def test_what_differs_of_the_environment_is_said_fact_by_fact():
    then = {"torch": "2.0", "threads": 2, "rng": "old words", "git_changed": True}
    now = {"torch": "2.1", "threads": 2, "rng": "new words", "git_changed": False, "cudnn": 9}
    assert reproducing.differences(then, now) == (
        "torch: 2.0 then, 2.1 now",
        "code: files differ from the commit then",
    )
    assert reproducing.differences({}, now) == ("no record was kept of the machine and the packages",)
