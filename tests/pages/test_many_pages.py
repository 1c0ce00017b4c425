"""Many scans at once, on pages without JavaScript."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from images import picking
from images.filters import ScanFilter
from images.models import Image, ImageTag, Project, SavedFilter, Tag
from images.services import remove_member, save_filter, saving
from labeling.models import Label, QueueScore
from labeling.reading import many
from mediscan_site.core.models import AuditEvent
from models_registry.filters import HistoryFilter
from tests.pages.conftest import texts


@pytest.fixture
def crowd(project, author, make_scan):
    """10,000 scans more, made of rows alone."""
    scan = make_scan(seed=1)
    columns = {"project": project, "uploaded_by": author, "image_format": "JPEG", "width": 1, "height": 1, "size": 1}
    Image.objects.bulk_create(
        [Image(file_name=f"{n}.jpg", received_sha256=f"{n:064}", sha256=f"{n:064}", **columns) for n in range(10_000)],
        batch_size=2000,
    )
    tag = Tag.objects.create(project=project, name="many", name_key="many")
    keys = Image.objects.values_list("pk", flat=True)[:2000]
    ImageTag.objects.bulk_create([ImageTag(image_id=pk, tag=tag, tagged_by=author) for pk in keys])
    return scan


def test_the_lists_need_seventeen_queries_at_most_however_many_scans(browser, author, colleague, project, crowd):
    client = browser(author)
    save_filter(actor=author, page="scans", project=project, name="mine", query={"label_status": "unlabeled"})
    last = client.get(reverse("scan_list", args=[project.pk])).context["page"].next
    for address in (
        reverse("scan_list", args=[project.pk]),
        f"{reverse('scan_list', args=[project.pk])}?view=list&cursor={last}",
        f"{reverse('scan_list', args=[project.pk])}?view=grid&tag=many",
        reverse("tag_list", args=[project.pk]),
    ):
        client.get(address)
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(address)
        assert answer.status_code == 200
        assert len(asked) <= 17, "\n".join(query["sql"][:70] + " … " + query["sql"][-90:] for query in asked)
    assert "10,000+" in texts(client.get(reverse("scan_list", args=[project.pk])))
    grid = reverse("label_grid", args=[project.pk])
    client.get(grid)
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(f"{grid}?more=1")
    assert len(answer.context["opened"].scans) == 60
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) <= 20, [q["sql"][:100] for q in asked]


def test_ticked_scans_are_labelled_after_a_question_that_names_their_number(browser, author, project, make_scan):
    first, second = make_scan(seed=1), make_scan(seed=2)
    client, url = browser(author), reverse("scan_bulk", args=[project.pk])
    asked = client.post(url, {"what": "label", "images": [f"{scan.pk}:{scan.version}" for scan in (first, second)]})
    assert "Label: 2 scans" in texts(asked) and not Label.objects.exists()
    Image.objects.filter(pk=second.pk).update(version=7)
    said = {"what": "label", "sure": "1", "images": asked.context["chosen"].text, "query": "split=none"}
    undecided = client.post(url, said)
    assert undecided.status_code == 400 and "Choose either a class" in texts(undecided)
    said["label_class"] = project.class_rows.get(name="OPACITY").pk
    done = client.post(url, said, follow=True)
    assert done.redirect_chain[-1][0] == f"{reverse('scan_list', args=[project.pk])}?split=none"
    assert "Done: 1 scan." in texts(done) and f"{second.code}: The scan was changed meanwhile" in texts(done)
    assert [label.image for label in Label.objects.all()] == [first]


def test_all_that_match_are_changed_up_to_a_limit(browser, author, project, make_scan, monkeypatch):
    for seed in range(3):
        make_scan(seed=seed, split="train" if seed else None)
    client, url = browser(author), reverse("scan_bulk", args=[project.pk])
    said = {"what": "split", "everything": "1", "query": "split=train&view=list"}
    asked = client.post(url, said)
    assert "Set the split: 2 scans" in texts(asked)
    client.post(url, {**said, "everything": "", "images": asked.context["chosen"].text, "split": "test", "sure": "1"})
    assert [scan.split for scan in Image.objects.order_by("pk")] == [None, "test", "test"]
    monkeypatch.setattr(many, "MOST_AT_ONCE", 2)
    refused = client.post(url, {"what": "tags", "everything": "1", "query": ""}, follow=True)
    assert "More than 2 scans match" in texts(refused)


@pytest.mark.parametrize(("what", "route"), [("grade", "grade_batch_start"), ("export", "export_start")])
def test_what_another_page_does_gets_the_ticked_scans(browser, author, project, make_scan, what, route, monkeypatch):
    scan, _ = make_scan(seed=1), make_scan(seed=2)
    url = reverse("scan_bulk", args=[project.pk])
    asked = browser(author).post(url, {"what": what, "images": scan.pk})
    assert f'action="{reverse(route, args=[project.pk])}"' in texts(asked)
    assert list(picking.chosen_scans(author, project, {"ids": f"{scan.pk},"})) == [scan]


def test_without_a_tick_or_a_button_nothing_happens_and_it_is_said(browser, author, project, make_scan):
    client, url = browser(author), reverse("scan_bulk", args=[project.pk])
    assert "Choose at least one scan." in texts(client.post(url, {"what": "label"}, follow=True))
    assert "nothing was done" in texts(client.post(url, {"images": make_scan(seed=1).pk}, follow=True))


def test_a_grid_labels_what_is_ticked_and_takes_it_back(browser, author, project, make_scan):
    oldest, unsure = make_scan(seed=1), make_scan(seed=2)
    QueueScore.objects.create(image=unsure, score=0.9)
    client, url = browser(author), reverse("label_grid", args=[project.pk])
    page = client.get(url)
    assert page.context["opened"].scans == [oldest, unsure] and "scan1.jpg" not in texts(page)
    assert client.get(f"{url}?order=uncertain").context["opened"].scans == [unsure, oldest]
    wanted = project.class_rows.get(name="OPACITY").pk
    ticks = [f"{scan.pk}:{scan.version}" for scan in (oldest, unsure)]
    # A reason is always selected in its list; it counts only when its own button was pressed.
    said = {"images": ticks, "label_class": wanted, "ungradable": "wrong view"}
    assert "Done: 2 scans." in texts(client.post(url, said, follow=True))
    assert client.get(url).context["opened"].scans == []
    assert "Done: 2 scans." in texts(client.post(url, {"undo": "1"}, follow=True))
    assert len(client.get(url).context["opened"].scans) == 2
    assert "There is nothing to undo." in texts(client.post(url, {"undo": "1"}, follow=True))
    assert "nothing was decided" in texts(client.post(url, {"images": ticks}, follow=True))
    left = client.post(reverse("grid_release", args=[project.pk]), {"until": timezone.now().isoformat()})
    assert left.status_code == 204


def test_a_grid_is_for_single_reading(browser, author, project, make_scan):
    make_scan(seed=1)
    Project.objects.update(reads_wanted=2)
    assert "2 readers look at each scan" in texts(browser(author).get(reverse("label_grid", args=[project.pk])))


def test_a_filter_is_kept_without_what_may_name_a_patient(browser, author, colleague, project):
    client, page = browser(author), reverse("scan_list", args=[project.pk])
    query = "label_status=labeled&search=Miller&patient=PAAAAAAAAAAAAAAAA&cursor=x"
    said = {"page": "scans", "project": project.pk, "name": "To check", "query": query}
    kept = client.post(reverse("filter_save"), said)
    assert kept["Location"] == f"{page}?label_status=labeled"
    client.post(reverse("filter_save"), {**said, "name": "TO CHECK", "query": "split=test"})
    saved = SavedFilter.objects.get()
    assert (saved.name, saved.query) == ("TO CHECK", {"split": "test"})
    assert "TO CHECK" in texts(client.get(page)) and "TO CHECK" not in texts(browser(colleague).get(page))
    assert browser(colleague).post(reverse("filter_delete", args=[saved.pk])).status_code == 404
    client.post(reverse("filter_delete", args=[saved.pk]))
    client.post(reverse("filter_save"), {"page": "jobs", "name": "failed", "query": "status=failed"})
    assert 'href="/jobs/?status=failed"' in texts(client.get(reverse("jobs")))
    client.post(reverse("filter_save"), {"page": "jobs", "name": "empty", "query": "patient=x"})
    assert SavedFilter.objects.count() == 1


def test_a_filter_is_shared_by_its_owner_and_shown_apart_to_the_others(
    browser, admin, author, colleague, outsider, project
):
    mine, page = browser(author), reverse("scan_list", args=[project.pk])
    mine.post(
        reverse("filter_save"), {"page": "scans", "project": project.pk, "name": "To check", "query": "split=test"}
    )
    saved = SavedFilter.objects.get()
    share, theirs = reverse("filter_share", args=[saved.pk]), browser(colleague)
    assert theirs.post(share, {"shared": "yes"}).status_code == 404
    assert "Everybody of the project is offered" in texts(mine.post(share, {"shared": "yes"}, follow=True))
    shown = texts(theirs.get(page))
    assert "Shared by others:" in shown and f'href="{page}?split=test"' in shown and share not in shown
    assert "Shared by others:" not in texts(mine.get(page))
    theirs.post(share, {"shared": "no"})
    assert theirs.post(reverse("filter_delete", args=[saved.pk])).status_code == 404
    assert browser(outsider).post(share, {"shared": "no"}).status_code == 404
    assert SavedFilter.objects.get().shared, "neither a colleague nor an outsider ends it"
    # Whoever manages the project may.
    assert share in texts(browser(admin).get(page))
    browser(admin).post(share, {"shared": "no"})
    assert not SavedFilter.objects.get().shared and "To check" not in texts(theirs.get(page))
    assert list(AuditEvent.objects.filter(action__startswith="filter.").values_list("action", "actor__username")) == [
        ("filter.share", "author"), ("filter.unshare", "admin"),
    ]  # fmt: skip


def test_a_shared_filter_that_becomes_another_or_goes_is_shared_no_longer(browser, author, colleague, admin, project):
    client, keep = browser(author), reverse("filter_save")
    said = {"page": "scans", "project": project.pk, "name": "To check"}
    client.post(keep, {**said, "query": "split=test&note=Hans+Meier"})
    saved = SavedFilter.objects.get()
    assert saved.query == {"split": "test"}
    share = reverse("filter_share", args=[saved.pk])
    client.post(share, {"shared": "yes"})
    client.post(keep, {**said, "query": "split=test"})
    assert SavedFilter.objects.get().shared, "the same once more"
    client.post(keep, {**said, "query": "split=val"})
    assert not SavedFilter.objects.get().shared
    client.post(share, {"shared": "yes"})
    remove_member(actor=admin, project=project, user=author)
    client.post(share, {"shared": "no"})
    assert not SavedFilter.objects.get().shared, "whoever has left may take it back"
    SavedFilter.objects.update(shared=True)
    client.post(reverse("filter_delete", args=[saved.pk]))
    assert not SavedFilter.objects.exists()
    actions = AuditEvent.objects.filter(action__startswith="filter.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == [f"filter.{word}" for word in ("share", "unshare", "share", "unshare", "unshare")]


def test_no_more_filters_are_shared_than_are_shown(browser, author, project, monkeypatch):
    monkeypatch.setattr(saving, "MOST", 1)
    rows = [
        SavedFilter.objects.create(user=author, page="scans", project=project, name=n, slot=n, query={}) for n in "ab"
    ]
    for row in rows:
        answer = browser(author).post(reverse("filter_share", args=[row.pk]), {"shared": "yes"}, follow=True)
    assert "1 filters are shared in this project" in texts(answer)
    assert SavedFilter.objects.filter(shared=True).count() == 1


def test_what_filters_keep_are_filters_of_their_list():
    assert saving.KEPT["scans"] - {"ordering"} <= set(ScanFilter.base_filters)
    assert saving.KEPT["history"] <= set(HistoryFilter.base_filters)


def test_a_filter_of_no_project_cannot_be_shared(browser, author):
    client = browser(author)
    client.post(reverse("filter_save"), {"page": "jobs", "name": "failed", "query": "status=failed"})
    share = reverse("filter_share", args=[SavedFilter.objects.get().pk])
    assert share not in texts(client.get(reverse("jobs")))
    assert "Only filters of a project can be shared" in texts(client.post(share, {"shared": "yes"}, follow=True))


def test_tags_are_put_on_and_taken_off_on_the_page_of_the_scan(browser, author, make_scan):
    scan = make_scan(seed=1)
    client, url = browser(author), reverse("scan_tags", args=[scan.pk])
    assert "discuss" in texts(client.post(url, {"add": "discuss, for teaching"}, follow=True))
    client.post(url, {"remove": "discuss"})
    assert [row.tag.name for row in ImageTag.objects.all()] == ["for teaching"]
