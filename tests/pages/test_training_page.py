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
    assert all(f'name="{name}"' in first for name in ("snapshot", "effort", "image_size"))
    others = ("base_model", "sees", "architecture", "pretrained", "shape", "windows", "seed")
    assert all(f'name="{name}"' in folded for name in others)
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


def test_how_thorough_is_one_choice_and_what_is_named_goes_before_it(browser, admin, ready):
    """The page cautions where X-rays are shrunk to stamps."""
    asked = {"pretrained": "auto", "seed": "0", "preview": "yes"}
    quick = texts(browser(admin).post(ready, {**asked, "effort": "quick"}))
    assert "at 64 pixels" in quick
    assert "a stamp of 64 by 64 pixels" in quick
    assert "on the processor of this machine" in quick
    thorough = texts(browser(admin).post(ready, {**asked, "effort": "thorough"}))
    assert "at 128 pixels" in thorough
    assert "a stamp of" not in thorough
    named = texts(browser(admin).post(ready, {**asked, "effort": "thorough", "image_size": "96"}))
    assert "at 96 pixels" in named
    browser(admin).post(ready, {"pretrained": "auto", "seed": "0", "effort": "quick", "members": "2"})
    run = TrainingRun.objects.get()
    assert (run.config["epochs"], run.config["members"]) == (6, 2)


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
