"""What the dashboard and a project's first page say of work, of people and of time."""

from datetime import date, datetime, time, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from images import few
from images.counts import quarter
from images.models import ActivityTotal, Image, Project, ProjectUserObjectPermission
from images.policies import TEMPLATES
from images.services import add_member, create_project, grant, set_role
from labeling.imports.selectors import remarkable
from labeling.models import Import, Label
from mediscan_site.core.errors import Forbidden, Invalid
from mediscan_site.core.models import AuditEvent
from mediscan_site.core.totals import keeping
from mediscan_site.core.totals.counted import known
from mediscan_site.front.overview import counting, trends
from mediscan_site.front.overview.happenings import happenings
from tests.pages.conftest import texts


def held(user) -> set[str]:
    return set(ProjectUserObjectPermission.objects.filter(user=user).values_list("permission__codename", flat=True))


def test_labels_that_only_a_colleague_may_review_say_who_can(browser, project, author, colleague, make_scan):
    make_scan(seed=1, label="NORMAL")
    make_scan(seed=2)
    page = texts(browser(author).get(reverse("project", args=[project.pk])))
    assert "2 scans, 50 % labelled" in page and "Next: 1 scan waits for a label." in page
    assert "1 label waits for a review by a colleague" in page and "They can: colleague." in page
    page = texts(browser(colleague).get(reverse("project", args=[project.pk])))
    assert "Next: 1 label waits for your review." in page and "by a colleague" not in page


def test_a_project_without_scans_names_three_steps_and_keeps_dangers_apart(browser, project, author, admin):
    page = texts(browser(author).get(reverse("project", args=[project.pk])))
    assert (
        page.count("<h2>Add the doctors") == page.count("<h2>Upload scans") == page.count("<h2>Label and review") == 1
    )
    assert "Erase a patient" not in page
    page = texts(browser(admin).get(reverse("project", args=[project.pk])))
    assert page.index("danger-zone") < page.index("Erase a patient")


def test_a_role_sets_its_rights_at_once_and_only_an_administrator_gives_great_ones(project, admin, author, colleague):
    grant(actor=admin, project=project, user=author, codename="reidentify")
    set_role(actor=admin, project=project, user=author, role="trainer")
    assert held(author) == {*TEMPLATES["trainer"][1], "reidentify"}
    set_role(actor=admin, project=project, user=author, role="reader")
    assert held(author) == {*TEMPLATES["reader"][1], "reidentify"}
    grant(actor=admin, project=project, user=colleague, codename="manage_project")
    before = held(author)
    with pytest.raises(Forbidden):
        set_role(actor=colleague, project=project, user=author, role="manager")
    assert held(author) == before, "all or nothing"
    with pytest.raises(Invalid):
        set_role(actor=admin, project=project, user=author, role="king")


def test_trends_count_no_label_that_was_taken_back(project, author, make_scan):
    from labeling.reading.bulk import label_many, undo_many

    scans, label_class = [make_scan(seed=seed) for seed in range(2)], project.class_rows.first()
    assert all(done.ok for done in label_many(actor=author, images=scans, label_class=label_class))
    assert trends.trends(author, [project.pk])["labels"][-1]["values"] == [2, 0]
    assert all(done.ok for done in undo_many(actor=author, images=scans[:1]))
    assert trends.trends(author, [project.pk])["labels"][-1]["values"] == [1, 0]
    keeping.fold()
    assert trends.trends(author, [project.pk])["labels"][-1]["values"] == [1, 0]
    assert not any(keeping.differences(counted) for counted in known())


def test_trends_count_what_was_given_here_in_the_days_of_the_reader(project, author, colleague, make_scan):
    scan, other = make_scan(seed=1, label="NORMAL"), make_scan(seed=2)
    mine = Label.objects.get(image=scan)
    made = [("import", 0), ("doctor", 3), ("doctor", trends.DAYS + 1)]
    for source, days in made:
        at = timezone.now() - timedelta(days=days)
        Label.objects.create(
            image=other, label_class=mine.label_class, reader=colleague, source=source, annotation_date=at
        )
    labels = trends.trends(author, [project.pk])["labels"]
    assert [column["values"] for column in labels if sum(column["values"])] == [[0, 1], [1, 0]]
    assert labels[-1]["values"] == [1, 0] and labels[-4]["values"] == [0, 1]


@pytest.mark.parametrize(
    ("zone", "today"),
    [
        ("UTC", date(2026, 11, 5)),
        ("Europe/Berlin", date(2026, 11, 5)),
        ("Europe/Berlin", date(2026, 4, 5)),
        ("America/St_Johns", date(2026, 11, 20)),
        ("Asia/Kathmandu", date(2026, 11, 5)),
        # Changed at midnight, and by half an hour.
        ("Africa/Cairo", date(2026, 5, 5)),
        ("Africa/Cairo", date(2026, 11, 5)),
        ("Australia/Lord_Howe", date(2026, 10, 15)),
    ],
)
def test_a_day_is_the_readers_also_when_the_clock_is_changed(project, author, monkeypatch, zone, today):
    monkeypatch.setattr(timezone, "localdate", lambda: today)
    with timezone.override(zone):
        for day in (today - timedelta(days=number) for number in range(trends.DAYS)):
            begin, end = (
                timezone.make_aware(datetime.combine(one, time.min)) for one in (day, day + timedelta(days=1))
            )
            for at in (begin, end - timedelta(minutes=1)):
                kept = {"kind": "label", "project": project.pk, "quarter": quarter(at), "person": author.pk}
                ActivityTotal.objects.create(**kept, number=1)
        columns = trends.trends(author, [project.pk])["labels"]
    assert [column["values"] for column in columns] == [[2, 0]] * trends.DAYS


def test_what_runs_comes_before_what_ended_and_old_things_are_no_news(project, author):
    now = timezone.now()
    for status, days in (("running", None), ("succeeded", 1), ("failed", 2), ("succeeded", 40), ("cancelled", 1)):
        ended = None if days is None else now - timedelta(days=days)
        Import.objects.create(
            project=project, created_by=author, file_name="a.zip", status=status, progress=0.4, finished_at=ended
        )
    running, changes = happenings([project.pk])
    begun = Import.objects.get(status="running")
    assert [(one.text, one.share) for one in running] == [(f"Import {begun.pk}", 0.4)]
    assert [(one.text, one.tone) for one in changes] == [
        (f"Import {begun.pk + 1} ended: its scans are here", ""),
        (f"Import {begun.pk + 2} failed", "bad"),
    ]


def test_work_is_counted_no_further_than_a_page_can_use():
    assert [counting.bounded(number) for number in (0, 10_000, 10_001)] == ["0", "10,000", "10,000+"]


def test_a_model_that_speaks_after_the_doctor_does_not_speak_on_the_dashboard(browser, project, author, answered):
    grade = answered(seed=1)
    page = texts(browser(author).get(reverse("dashboard")))
    assert f"<strong>{grade.prediction.name}</strong>" in page
    Project.objects.update(reveal_after_read=True)
    page = texts(browser(author).get(reverse("dashboard")))
    assert "shown after your own read" in page and f"<strong>{grade.prediction.name}</strong>" not in page


def test_the_audit_log_is_searched_by_days_and_says_actions_in_words(browser, admin, author, make_scan):
    make_scan(seed=1)
    client, address = browser(admin), reverse("audit")
    today = timezone.localdate()
    assert "uploaded a scan" in texts(client.get(address, {"since": today.isoformat(), "until": today.isoformat()}))
    tomorrow = (today + timedelta(days=1)).isoformat()
    assert "No event matches" in texts(client.get(address, {"since": tomorrow}))
    assert '<option value="author">' in texts(client.get(address))
    refused = browser(author).get(address)
    assert refused.status_code == 403 and "view_audit" not in texts(refused)
    assert AuditEvent.objects.filter(action="scan.upload").exists()


def test_a_report_says_that_scans_are_held_back_and_what_to_do(browser, project, author, make_scan):
    batch = Import.objects.create(project=project, created_by=author, file_name="a.zip", status="succeeded", total=2)
    for seed in (1, 2):
        batch.files.create(path=f"{seed}.jpg", path_digest=str(seed), outcome="created", image=make_scan(seed=seed))
    Image.objects.filter(pk=batch.files.first().image_id).update(hold="burned_in_annotation")
    page = texts(browser(author).get(reverse("import", args=[batch.pk]), {"all": 1}))
    assert "1 scan is held back" in page and page.count("held back</span>") == 1
    assert reverse("label_next", args=[project.pk]) in page


@pytest.mark.parametrize("most", [1, 3000])
def test_a_report_shows_what_is_remarkable_in_order_whether_few_or_many(project, author, monkeypatch, most):
    monkeypatch.setattr(few, "FEW", most)
    batch = Import.objects.create(project=project, created_by=author, file_name="a.zip", status="succeeded", total=6)
    outcomes = ["created", "note", "passed_over", "duplicate", "created", "rejected"]
    for number, outcome in enumerate(outcomes):
        batch.files.create(path=f"{number}.jpg", path_digest=str(number), outcome=outcome)
    for numbers in ({}, {"created": 2, "passed_over": 1, "note": 1, "duplicate": 1, "rejected": 1}):
        batch.numbers = numbers
        assert [line.path for line in remarkable(batch)] == ["1.jpg", "3.jpg", "5.jpg"]


@pytest.mark.parametrize("page, most", [("dashboard", 14), ("project", 15), ("project_list", 13), ("training", 13)])
def test_a_first_page_costs_few_queries_however_many_projects_and_scans(
    browser, admin, author, project, make_scan, django_assert_max_num_queries, page, most
):
    make_scan(seed=1, label="NORMAL")
    client = browser(author)
    address = reverse(page, args=[project.pk] if page in ("project", "training") else [])
    client.get(address)
    with django_assert_max_num_queries(most):
        client.get(address)
    for number in range(3):
        other = create_project(actor=admin, name=f"Other {number}", classes=["A", "B"])
        add_member(actor=admin, project=other, user=author)
    make_scan(seed=2)
    with django_assert_max_num_queries(most):
        client.get(address)
