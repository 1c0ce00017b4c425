"""A doctor's way with a referred scan, without JavaScript: uploaded, given back, read blind, told why, gone from the list."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from images.services import update_project
from models_registry.batches.worker import run_batch
from models_registry.deployments.services import deploy
from models_registry.models import Grade, GradeBatch, Referral
from tests.conftest import scan_bytes
from tests.pages.conftest import texts

pytestmark = pytest.mark.django_db
REASON = "The model is not sure enough of this scan to answer."


@pytest.fixture
def unsure(make_version, admin, project):
    """The deployed version refers every scan, and is asked about each that comes in."""
    model = make_version(threshold=1.1)
    deploy(actor=admin, model=model)
    update_project(actor=admin, project=project, changes={"grade_on_arrival": True})
    return model


def shown(person, name: str, *args) -> str:
    answer = person.get(reverse(name, args=args))
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", texts(answer)).split())


def uploaded(person, project, seed: int) -> None:
    file = SimpleUploadedFile(f"scan{seed}.jpg", scan_bytes(seed), "image/jpeg")
    answer = person.post(reverse("upload", args=[project.pk]), {"file": [file]})
    assert "created" in texts(answer)


def test_upload_referred_worklist_read_reason_gone(browser, unsure, author, colleague, project):
    person = browser(author)
    uploaded(person, project, 1)
    run_batch(GradeBatch.objects.get().pk)
    grade = Grade.objects.get()
    assert grade.decision == "refer"
    assert "Given back by the model 1" in shown(person, "dashboard")
    assert "1 referred scan waits" in shown(person, "project", project.pk)

    desk = shown(person, "referrals", project.pk)
    assert grade.image.code in desk
    assert REASON not in desk
    assert "Confidence" not in desk
    assert "Nothing to read" in shown(browser(colleague), "referrals", project.pk), "a colleague does not get it"

    task, chosen = Referral.objects.get(), project.class_rows.get(name="OPACITY")
    read = {
        "label_class": chosen.pk,
        "version": grade.image.version,
        "comment": "Left base.",
    }
    answer = person.post(reverse("referral_read", args=[task.pk]), read)
    assert answer["Location"] == reverse("referral", args=[task.pk])
    told = shown(person, "referral", task.pk)
    for words in ("OPACITY", "Left base.", REASON, grade.prediction.name, "It is now a label"):
        assert words in told
    assert "Nothing to read" in shown(person, "referrals", project.pk)
    assert "referred scan" not in shown(person, "dashboard")


def test_a_skipped_scan_is_the_colleagues_at_once_and_comes_back_when_asked_for(
    browser, unsure, author, colleague, project
):
    person = browser(author)
    uploaded(person, project, 1)
    run_batch(GradeBatch.objects.get().pk)
    task, code = Referral.objects.get(), Grade.objects.get().image.code
    assert code in shown(person, "referrals", project.pk)
    person.post(reverse("referral_skip", args=[task.pk]))
    assert "You skipped 1." in shown(person, "referrals", project.pk)
    person.post(reverse("referrals_unskip", args=[project.pk]))
    assert code in shown(person, "referrals", project.pk)
    person.post(reverse("referral_skip", args=[task.pk]))
    assert code in shown(browser(colleague), "referrals", project.pk)


def test_a_read_without_a_choice_says_what_to_do(browser, unsure, author, project):
    person = browser(author)
    uploaded(person, project, 1)
    run_batch(GradeBatch.objects.get().pk)
    answer = person.post(reverse("referral_read", args=[Referral.objects.get().pk]), {"version": 1}, follow=True)
    assert "Choose either a class or the reason" in texts(answer)


def test_scans_are_graded_by_ticking_by_filter_and_by_import(browser, unsure, author, project, make_scan):
    from labeling.models import Import, ImportFile

    scans = [make_scan(seed=seed) for seed in (1, 2, 3)]
    GradeBatch.objects.all().delete()
    source = Import.objects.create(project=project, created_by=author, file_name="x.zip", status="succeeded")
    ImportFile.objects.create(batch=source, path="a", path_digest="a", outcome="created", image=scans[2])
    person, start = browser(author), reverse("grade_batch_start", args=[project.pk])
    assert 'name="images"' in texts(person.get(f"{reverse('scan_list', args=[project.pk])}?choose=1"))
    for body in ({"chosen": 1, "images": [scans[0].pk]}, {"search": "scan2.jpg"}, {"import": source.pk}):
        assert "/grade-batches/" in person.post(start, body)["Location"]
    started = GradeBatch.objects.order_by("pk")
    assert [list(batch.items.values_list("image", flat=True)) for batch in started] == [[scan.pk] for scan in scans]
    assert "Tick at least one scan" in texts(person.post(start, {"chosen": 1}, follow=True))
    page = shown(person, "import", source.pk)
    assert "Grade these scans" in page
