"""Every page in a real browser: nothing on the console, no violated policy, and a picture of each to look at."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.browser.axe import findings
from tests.browser.conftest import Watched

DESK, TABLET = {"width": 1280, "height": 860}, {"width": 820, "height": 1180}
TELEPHONE = {"width": 390, "height": 844}
SIZES = {"desk": DESK, "tablet": TABLET, "telephone": TELEPHONE}
CLEAN = ["login", "password_reset", "password_reset_done", "password_reset_complete"]


@pytest.fixture
def urls(project, admin, author, colleague, make_scan, answered, made_run, snapshot):
    """Addresses of every page over one of everything, with a few scans more."""
    from labeling.models import Import, ImportFile

    scans = [make_scan(seed=seed, opacity=bool(seed % 2), label=label, patient=f"p{seed}") for seed, label in enumerate(
        ["NORMAL", "OPACITY", None, None, "OPACITY", None]
    )]  # fmt: skip
    grade = answered(seed=9, opacity=True)
    batch = Import.objects.create(project=project, created_by=author, file_name="many.zip", status="succeeded", total=2)
    ImportFile.objects.create(
        batch=batch,
        path="bad/one.jpg",
        path_digest="x",
        outcome="rejected",
        code="not_an_image",
        detail="This is a PDF.",
    )
    run = made_run(epochs=6)
    graded, waiting, read = graded_and_referred(project, author, grade)
    by_project = (
        "project", "project_settings", "project_members", "scan_list", "upload", "label_next", "review", "review_many",
        "dataset_list", "training", "model_list", "grade", "merge_patients", "erase_patient", "export_list", "doubts",
        "referrals", "grade_batches", "label_grid", "tag_list", "adjudication", "agreement", "readers", "gold",
    )  # fmt: skip
    others = {
        "scan": scans[1], "scan_edit": scans[1], "scan_timeline": scans[1], "grade_detail": grade, "model": grade.model,
        "dataset": snapshot, "import": batch, "run": run, "grade_batch": graded, "referral": read,
    }  # fmt: skip
    plain = ("dashboard", "project_list", "project_create", "history", "jobs", "audit", "password_change", "user_list",
             "user_new", "account", "messages", "search")  # fmt: skip
    return {
        **{name: reverse(name) for name in plain},
        **{name: reverse(name, args=[project.pk]) for name in by_project},
        **{name: reverse(name, args=[row.pk]) for name, row in others.items()},
        "referral_waiting": reverse("referral", args=[waiting.pk]),
        "scan_list_as_table": f"{reverse('scan_list', args=[project.pk])}?view=list",
    }


def graded_and_referred(project, reader, grade):
    """A batch with scans of every outcome; a referral that waits, and one that was read."""
    from images.models import Image
    from models_registry.batches.services import start_batch
    from models_registry.models import Grade, GradeBatchItem, Referral
    from models_registry.worklists.services import read_referral

    batch = start_batch(actor=reader, project=project)
    Grade.objects.filter(pk=grade.pk).update(decision="refer", reasons=["below_threshold"])
    items = batch.items.order_by("pk")
    items.filter(image=grade.image_id).update(outcome="referred", grade=grade)
    others = list(items.exclude(image=grade.image_id).values_list("pk", flat=True))
    for pk, outcome in zip(others, ("failed", "left_out"), strict=False):
        detail = {"failed": "A stored scan is damaged and was not read.", "left_out": "The scan is held back."}[outcome]
        GradeBatchItem.objects.filter(pk=pk).update(outcome=outcome, code=outcome, detail=detail)
    read = Referral.objects.create(project=project, image=grade.image, grade=grade)
    read_referral(actor=reader, referral=read, label_class=project.class_rows.first(), comment="Seen twice.")
    unread = Image.objects.filter(project=project, label_status="unlabeled").first()
    waiting = Referral.objects.create(project=project, image=unread, grade=grade)
    return batch, waiting, Referral.objects.select_related("image").get(pk=read.pk)


def signed_in(windows, live_server, user, size: dict[str, int], **options):
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    context = windows(viewport=size, **options)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    return context


def test_every_page_is_clean_in_chromium_and_fits_the_screen(windows, live_server, urls, admin, colleague, tmp_path):
    """And axe-core finds nothing on any of them that keeps people with disabilities out."""
    watched = Watched(signed_in(windows, live_server, admin, DESK))
    too_wide, found = [], []
    for name, url in urls.items():
        watched.page.goto(f"{live_server.url}{url}")
        watched.page.wait_for_load_state("load")
        # The window is made smaller, and the page is not asked for again: what it looks like is the style sheet's alone.
        for device, size in SIZES.items():
            watched.page.set_viewport_size(size)
            watched.page.screenshot(path=tmp_path / f"{device}-{name}.jpg", full_page=True)
            if watched.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                too_wide.append((device, name))
        watched.page.set_viewport_size(DESK)
        found += [f"{name}, {said}" for said in findings(watched.page)]
    assert found == []
    assert watched.faults == []
    assert too_wide == []
    assert len(list(tmp_path.glob("*.jpg"))) == len(SIZES) * len(urls)


def test_a_held_scan_fits_a_telephone(windows, live_server, make_scan, author):
    from images.models import Hold, Image

    scan = make_scan()
    Image.objects.filter(pk=scan.pk).update(hold=Hold.TEXT)
    watched = Watched(signed_in(windows, live_server, author, TELEPHONE))
    watched.page.goto(f"{live_server.url}{reverse('scan', args=[scan.pk])}")
    assert watched.page.get_by_role("button", name="I looked").is_visible()
    assert watched.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert watched.faults == []


def test_a_form_that_htmx_brought_in_is_asked_about_before_it_is_sent(windows, live_server, made_run, admin):
    run = made_run()
    watched = Watched(signed_in(windows, live_server, admin, DESK))
    asked: list[str] = []
    watched.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    with watched.page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        watched.page.goto(f"{live_server.url}{reverse('run', args=[run.pk])}")
    watched.page.evaluate("new Promise((done) => document.addEventListener('htmx:afterSettle', done, {once: true}))")
    watched.page.get_by_role("button", name="Cancel the run").click()
    run.refresh_from_db()
    assert asked == [f"Cancel {run.code}? What it has learnt is lost."]
    assert not run.cancel_requested
    assert watched.faults == []


def test_the_pages_without_a_session_are_clean(windows, live_server, tmp_path):
    watched = Watched(windows(viewport=DESK))
    for name in CLEAN:
        watched.page.goto(f"{live_server.url}{reverse(name)}")
        watched.page.screenshot(path=tmp_path / f"{name}.png")
    assert watched.faults == []
