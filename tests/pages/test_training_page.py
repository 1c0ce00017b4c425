"""The training page: the choices that most people make, the others folded in, and a plan before the start."""

import pytest
from django.urls import reverse

from labeling.models import Snapshot
from tests.pages.conftest import texts
from training.models import TrainingRun


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    settings.WEIGHTS_DIR = str(tmp_path)


@pytest.fixture
def ready(approved_scans, project):
    for number, split in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * (number + 1), split=split)
    return reverse("training", args=[project.pk])


def test_simple_choices_stand_first_and_the_others_are_folded_in(browser, admin, ready):
    page = browser(admin).get(ready).content.decode()
    first, folded = page.split("<details>")
    assert all(f'name="{name}"' in first for name in ("snapshot", "base_model", "sees", "image_size"))
    assert all(f'name="{name}"' in folded for name in ("architecture", "pretrained", "shape", "windows", "seed"))
    assert "What would this take?" in page


def test_a_plan_is_shown_with_what_was_filled_in_and_nothing_is_started(browser, admin, ready):
    sent = {"pretrained": "auto", "seed": "0", "image_size": "96", "preview": "yes"}
    answer = browser(admin).post(ready, sent)
    page = texts(answer)
    assert answer.status_code == 200
    assert "Sees grey levels at 96 pixels, squashed: none of 4 training scans looked at has colour; about " in page
    assert "From scratch with resnet_compact" in page
    assert "The time is estimated from a table of one machine" in page
    assert 'value="96"' in answer.content.decode()
    assert not TrainingRun.objects.exists()
    assert not Snapshot.objects.exists()


def test_what_is_wrong_in_the_folded_part_is_not_hidden(browser, admin, ready):
    answer = browser(admin).post(ready, {"pretrained": "auto", "seed": "0", "windows": "40", "preview": "yes"})
    assert answer.status_code == 400
    assert "<details open>" in answer.content.decode()
    assert "must be centre/width, as 40/400" in texts(answer)


def test_a_plan_that_cannot_be_says_why_beside_the_form(browser, admin, project):
    answer = browser(admin).post(
        reverse("training", args=[project.pk]), {"pretrained": "auto", "seed": "0", "preview": "yes"}
    )
    assert answer.status_code == 400
    assert "Not enough approved scans" in texts(answer)


def test_who_may_not_train_sees_no_plan(browser, author, ready):
    assert browser(author).post(ready, {"pretrained": "auto", "seed": "0", "preview": "yes"}).status_code == 403


def test_the_page_of_a_run_says_what_it_sees(browser, admin, ready):
    started = browser(admin).post(ready, {"pretrained": "auto", "seed": "0", "sees": "colour", "image_size": "80"})
    run = TrainingRun.objects.get()
    assert started.headers["Location"] == reverse("run", args=[run.pk])
    assert "Sees colour at 80 pixels, squashed: as asked; about " in texts(browser(admin).get(started["Location"]))
