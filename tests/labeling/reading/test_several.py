"""Several readers: nobody sees what the others said, never more reads than wanted, and disagreement goes to somebody else."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from images.models import Image, Project
from images.selectors import scans
from images.services import delete_scan, remove_member, retire_class
from labeling.models import Label, Lease, Read
from labeling.reading import several
from labeling.reading.labels import label_scan, mark_ungradable, withdraw_label
from labeling.reading.queue import claim_scans
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import label_history, labels, queue_counts, to_adjudicate
from labeling.reading.several import adjudicate
from mediscan_site.core.errors import Conflict, FourEyes, Invalid
from tests.conftest import member


@pytest.fixture
def project(project):
    project.reads_wanted = 2
    project.save()
    return project


@pytest.fixture
def third(project, admin):
    return member(project, admin, "third")


def said(scan, reader, name: str, **kwargs):
    return label_scan(actor=reader, image=scan, label_class=scan.project.class_rows.get(name=name), **kwargs)


def fresh(scan) -> Image:
    return Image.objects.select_related("label_class").get(pk=scan.pk)


def wanted(project, number: int) -> None:
    Project.objects.filter(pk=project.pk).update(reads_wanted=number)
    project.refresh_from_db()


def claimed(actor, project, task: str = "label", **kwargs) -> list[int]:
    return [lease.image_id for lease in claim_scans(actor=actor, project=project, task=task, **kwargs)]


def test_one_read_leaves_the_scan_as_it_is_and_two_alike_are_its_approved_label(make_scan, author, colleague):
    scan = make_scan(seed=1)
    first = said(scan, author, "OPACITY", expected_version=scan.version)
    assert first.changed
    assert (fresh(scan).label_status, fresh(scan).version) == ("unlabeled", scan.version)
    outcome = said(scan, colleague, "OPACITY", expected_version=scan.version)
    now = fresh(scan)
    assert (now.label_status, now.approval_status, now.label_class.name) == ("labeled", "approved", "OPACITY")
    assert now.reference.label == outcome.label
    assert set(Label.objects.filter(image=scan).values_list("source", "round")) == {("doctor", 1)}
    assert set(Read.objects.values_list("active", "against")) == {(None, outcome.label.pk)}


def test_readers_who_find_a_scan_ungradable_agree_whatever_their_reasons(make_scan, author, colleague):
    scan = make_scan(seed=1)
    mark_ungradable(actor=author, image=scan, reason="blurred")
    mark_ungradable(actor=colleague, image=scan, reason="wrong view")
    assert (fresh(scan).approval_status, fresh(scan).label_class) == ("approved", None)


def test_disagreement_waits_for_somebody_who_has_not_read_it(make_scan, author, colleague, third, admin, project):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="left base")
    mark_ungradable(actor=colleague, image=scan, reason="blurred")
    assert fresh(scan).label_status == "unlabeled"
    assert claimed(third, project) == []
    counts = queue_counts(user=third, projects=[project])[project.pk]
    assert counts == {"label": 0, "review": 0, "to_adjudicate": 1}
    assert (to_adjudicate(third, Project.objects.all()), to_adjudicate(author, Project.objects.all())) == (1, 0)
    assert claimed(author, project, "adjudicate") == []
    assert claimed(third, project, "adjudicate") == [scan.pk]
    opacity = project.class_rows.get(name="OPACITY")
    with pytest.raises(FourEyes):
        adjudicate(actor=author, image=scan, label_class=opacity, reason="mine")
    with pytest.raises(Invalid) as refused:
        adjudicate(actor=third, image=scan, label_class=opacity, reason="  ")
    assert refused.value.attr == "reason"
    with pytest.raises(Conflict) as complete:
        said(scan, third, "OPACITY")
    assert complete.value.code == "reads_complete"
    label = adjudicate(actor=third, image=scan, label_class=opacity, reason="the base is dense")
    now = fresh(scan)
    assert (now.approval_status, now.label_class, now.annotator) == ("approved", opacity, third)
    assert (label.source, label.comment, label.round) == ("adjudication", "the base is dense", 1)
    assert not Lease.objects.exists()
    with pytest.raises(Conflict) as over:
        adjudicate(actor=admin, image=scan, label_class=opacity, reason="again")
    assert over.value.code == "nothing_to_adjudicate"


def test_without_four_eyes_a_reader_may_settle_it(make_scan, author, colleague, project):
    Project.objects.filter(pk=project.pk).update(four_eyes=False)
    project.refresh_from_db()
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    said(scan, colleague, "NORMAL")
    assert claimed(author, project, "adjudicate") == [scan.pk]
    adjudicate(actor=author, image=scan, ungradable="cannot tell", reason="both are right")
    assert fresh(scan).approval_status == "approved"


def test_as_many_readers_hold_a_scan_as_it_needs_and_none_twice(make_scan, author, colleague, third, project):
    first, second = make_scan(seed=1), make_scan(seed=2)
    assert claimed(author, project) == [first.pk]
    assert claimed(author, project) == [second.pk]
    assert claimed(colleague, project) == [first.pk]
    assert claimed(third, project) == [second.pk]
    assert claimed(third, project) == []
    said(first, author, "NORMAL")
    assert claimed(third, project) == []
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert claimed(third, project) == [first.pk]
    assert claimed(author, project) == [second.pk]
    assert claimed(colleague, project, n=3) == [second.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [2, 3])
def test_a_race_for_the_last_reads_gives_exactly_as_many_as_wanted(
    number, make_scan, author, colleague, third, admin, project
):
    wanted(project, number)
    scan = make_scan(seed=1)
    readers = (author, colleague, third, admin)
    start, refused = threading.Barrier(len(readers)), []

    def read(actor) -> None:
        try:
            start.wait()
            said(scan, actor, "OPACITY", expected_version=scan.version)
        except Exception as error:
            refused.append(getattr(error, "code", repr(error)))
        finally:
            connection.close()

    threads = [threading.Thread(target=read, args=(actor,)) for actor in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Read.objects.filter(image=scan, kind="independent").count() == number
    assert fresh(scan).approval_status == "approved"
    assert set(refused) <= {"stale_version", "reads_complete"}
    assert len(refused) == 4 - number


@pytest.mark.django_db(transaction=True)
def test_readers_who_claim_at_the_same_time_never_exceed_the_seats(make_scan, author, colleague, third, admin, project):
    held = [make_scan(seed=seed) for seed in range(3)]
    start = threading.Barrier(5)

    def claim(actor) -> None:
        try:
            start.wait()
            while claimed(actor, project):
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(actor,)) for actor in (author, author, colleague, third, admin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = list(Lease.objects.values_list("image", "holder"))
    assert len(set(pairs)) == len(pairs) == 2 * len(held)


def test_others_opinions_stay_covered_while_a_scan_is_read(make_scan, author, colleague, third, admin, project, api):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="left base")
    mine, theirs = api(author), api(colleague)
    assert [row["label"] for row in mine.get(f"/api/v1/labels/?image={scan.pk}").data["results"]] == ["OPACITY"]
    assert theirs.get(f"/api/v1/labels/?image={scan.pk}").data["results"] == []
    assert api(admin).get(f"/api/v1/labels/?image={scan.pk}").data["results"] != []
    assert theirs.get(f"/api/v1/labels/{Label.objects.get().pk}/").status_code == 404
    lists = {who: asked.get("/api/v1/labels/?format=csv") for who, asked in (("own", mine), ("other", theirs))}
    sheets = {who: b"".join(answer.streaming_content) for who, answer in lists.items()}
    assert (b"OPACITY" in sheets["own"], b"OPACITY" in sheets["other"]) == (True, False)
    moments = theirs.get(f"/api/v1/images/{scan.pk}/timeline/").data["results"]
    assert "label" not in {moment["kind"] for moment in moments}
    assert list(label_history(scan, colleague)) == []
    said(scan, colleague, "NORMAL")
    assert {row["label"] for row in theirs.get(f"/api/v1/labels/?image={scan.pk}").data["results"]} == {
        "OPACITY",
        "NORMAL",
    }
    assert labels(third).count() == 2


def test_a_page_of_the_scan_says_nothing_of_what_another_reader_said(make_scan, author, colleague, client):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="dense at the left base")
    client.force_login(colleague, backend="django.contrib.auth.backends.ModelBackend")
    for name in ("scan", "scan_timeline"):
        page = client.get(reverse(name, args=[scan.pk])).content.decode()
        assert "dense at the left base" not in page
        assert "labelled OPACITY" not in page


def test_a_rejected_label_is_covered_and_the_scan_is_read_anew(
    make_scan, author, colleague, third, admin, project, api
):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    said(scan, colleague, "OPACITY")
    review_scan(actor=admin, image=scan, status="rejected", comment="look again")
    shown = scans(third).get(pk=scan.pk)
    assert (shown.label_class, shown.label_status, shown.approval_status, shown.annotator) == (
        None,
        "unlabeled",
        "pending",
        None,
    )
    assert scans(admin).get(pk=scan.pk).approval_status == "rejected"
    asked = api(third)
    assert asked.get("/api/v1/images/?label=OPACITY").data["results"] == []
    assert asked.get("/api/v1/images/?approval_status=rejected").data["results"] == []
    assert len(asked.get("/api/v1/images/?label_status=unlabeled").data["results"]) == 1
    assert asked.get("/api/v1/reviews/").data["results"] == []
    assert claimed(author, project) == [scan.pk]
    assert claimed(third, project) == [scan.pk]
    said(scan, author, "NORMAL")
    said(scan, third, "NORMAL")
    assert (fresh(scan).approval_status, fresh(scan).label_class.name) == ("approved", "NORMAL")
    assert list(Read.objects.order_by("pk").values_list("label__round", flat=True)) == [1, 1, 2, 2]


def test_a_reader_changes_or_takes_back_their_read_until_all_have_read(make_scan, author, colleague, third, project):
    wanted(project, 3)
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    assert not said(scan, author, "OPACITY").changed
    assert said(scan, author, "NORMAL").changed
    said(scan, colleague, "NORMAL")
    assert withdraw_label(actor=author, image=scan).changed
    assert claimed(author, project) == [scan.pk]
    said(scan, author, "NORMAL")
    said(scan, third, "OPACITY")
    assert sorted(Read.objects.filter(active=True).values_list("seat", flat=True)) == [0, 1, 2]
    with pytest.raises(Conflict) as late:
        withdraw_label(actor=third, image=scan)
    assert late.value.code == "reads_complete"


def test_a_project_that_wants_fewer_readers_settles_what_agrees(make_scan, author, colleague, third, project):
    wanted(project, 3)
    alike, unlike, once = (make_scan(seed=seed) for seed in (1, 2, 3))
    for scan, second in ((alike, "OPACITY"), (unlike, "NORMAL")):
        said(scan, author, "OPACITY")
        said(scan, colleague, second)
    said(once, author, "NORMAL")
    wanted(project, 2)
    assert claimed(third, project) == [once.pk]
    assert claimed(third, project, "adjudicate") == [unlike.pk]
    assert (fresh(alike).approval_status, fresh(unlike).label_status) == ("approved", "unlabeled")
    wanted(project, 1)
    several.settle_all()
    assert (fresh(once).label_status, fresh(once).approval_status) == ("labeled", "pending")
    assert claimed(colleague, project, "review") == [once.pk]


def test_a_project_that_wants_more_readers_gives_a_disagreement_to_another(
    make_scan, author, colleague, third, project
):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    said(scan, colleague, "NORMAL")
    wanted(project, 3)
    assert claimed(third, project, "adjudicate") == []
    assert claimed(third, project) == [scan.pk]
    said(scan, third, "NORMAL")
    assert fresh(scan).label_status == "unlabeled"
    assert Read.objects.filter(active=True).count() == 3


def test_a_class_retired_between_two_reads_is_nobodys_agreement(make_scan, author, colleague, third, admin, project):
    from images.services import add_class

    old = add_class(actor=admin, project=project, name="OLD")
    wanted(project, 3)
    scan = make_scan(seed=1)
    said(scan, author, "OLD")
    said(scan, colleague, "OLD")
    retire_class(actor=admin, project_class=old)
    wanted(project, 2)
    assert several.settle_agreed([scan.pk]) == 0
    assert claimed(third, project, "adjudicate") == [scan.pk]
    with pytest.raises(Invalid):
        adjudicate(actor=third, image=scan, label_class=old, reason="as they said")


def test_the_read_of_a_reader_who_left_counts(make_scan, author, colleague, admin, project):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    remove_member(actor=admin, project=project, user=author)
    said(scan, colleague, "OPACITY")
    assert fresh(scan).approval_status == "approved"


def test_a_label_that_came_another_way_is_reviewed_as_ever(make_scan, author, colleague, project):
    scan = make_scan(seed=1)
    said(scan, author, "NORMAL")
    said(scan, colleague, "OPACITY", source=Label.Source.IMPORT)
    assert (fresh(scan).label_status, fresh(scan).approval_status) == ("labeled", "pending")
    assert claimed(author, project, "review") == [scan.pk]
    assert claimed(author, project) == []
    review_scan(actor=author, image=scan, status="approved")
    assert fresh(scan).approval_status == "approved"


def test_an_erased_scan_is_in_no_queue_and_its_words_are_gone(make_scan, author, colleague, third, admin, project):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="Mrs Smith")
    said(scan, colleague, "NORMAL")
    delete_scan(actor=admin, image=scan)
    assert claimed(third, project, "adjudicate") == []
    assert not Label.objects.filter(comment="Mrs Smith").exists()
    with pytest.raises(Exception, match="no longer exists"):
        adjudicate(actor=third, image=scan, ungradable="gone", reason="gone")


def test_one_person_is_one_reader_also_through_a_service_token(make_scan, author, colleague, third, project, api):
    from mediscan_site.core.http.context import UsedToken, use_token

    scan = make_scan(seed=1)
    use_token(UsedToken(id=1, name="bridge", made_by=author.pk))
    said(scan, colleague, "OPACITY")
    use_token(None)
    assert claimed(author, project) == []
    with pytest.raises(Conflict) as refused:
        said(scan, author, "OPACITY")
    assert refused.value.code == "already_read"


def test_post_labels_is_the_reader_s_own_read(make_scan, author, colleague, api):
    scan = make_scan(seed=1)
    first = api(author).post("/api/v1/labels/", {"image": scan.pk, "label": "OPACITY"}, format="json")
    again = api(author).post("/api/v1/labels/", {"image": scan.pk, "label": "OPACITY"}, format="json")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.data["source"] == "doctor"
    second = api(colleague).post("/api/v1/labels/", {"image": scan.pk, "ungradable": "blurred"}, format="json")
    assert second.status_code == 201
    late = api(colleague).post("/api/v1/labels/", {"image": scan.pk, "label": "OPACITY"}, format="json")
    assert (late.status_code, late.data["errors"][0]["code"]) == (409, "reads_complete")


def test_undo_takes_a_read_back_also_the_one_that_made_the_label(make_scan, author, colleague, third, admin, project):
    from labeling.reading.undo import undo_last

    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    undo_last(actor=author, project=project, task="label")
    assert claimed(author, project) == [scan.pk]
    said(scan, author, "OPACITY")
    said(scan, colleague, "OPACITY")
    undo_last(actor=colleague, project=project, task="label")
    assert (fresh(scan).label_status, Read.objects.filter(active=True).count()) == ("unlabeled", 1)
    said(scan, colleague, "NORMAL")
    undo_last(actor=colleague, project=project, task="label")
    said(scan, colleague, "OPACITY")
    Label.objects.update(annotation_date=timezone.now() - timedelta(minutes=5))
    with pytest.raises(Conflict) as late:
        undo_last(actor=colleague, project=project, task="label")
    assert late.value.code == "changed_since"
    assert fresh(scan).approval_status == "approved"
