"""What others said of a scan stays covered wherever else it could be read, and what only measures a reader is no label to take."""

import csv
import io
import zipfile

import pytest
from django.urls import reverse

from images.models import Image, NearDuplicate, Project
from images.services import grant
from images.services.duplicates import near_duplicates
from labeling.exports import text, worker
from labeling.models import LabelDoubt, Read
from labeling.reading.bulk import label_many, undo_many
from labeling.reading.gold import mark_gold
from labeling.reading.labels import label_scan, withdraw_label
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import label_doubts, labels
from labeling.reading.undo import undo_scan
from mediscan_site.core.errors import Conflict
from mediscan_site.front.selectors import audit_events, changes
from mediscan_site.front.timeline import of_scan

LABELS = "/api/v1/labels/"


@pytest.fixture
def gold(make_scan, admin, colleague):
    """An approved scan, whose class `author` is not to see."""
    scan = make_scan(seed=1, label="OPACITY", actor=admin)
    review_scan(actor=colleague, image=scan, status="approved")
    mark_gold(actor=admin, image=scan)
    return Image.objects.select_related("project").get(pk=scan.pk)


def said(scan, reader, name: str):
    return label_scan(actor=reader, image=scan, label_class=scan.project.class_rows.get(name=name))


def state(scan) -> tuple:
    return Image.objects.values_list("label_class__name", "approval_status", "version").get(pk=scan.pk)


def test_scans_that_look_the_same_show_no_class_that_is_covered(gold, make_scan, author, admin, client):
    other = make_scan(seed=2)
    NearDuplicate.objects.create(project=gold.project, first=gold, second=other, distance=1, correlation=1.0)
    assert [scan.label_class for scan in near_duplicates(other, author)] == [None]
    assert [scan.label_class.name for scan in near_duplicates(other, admin)] == ["OPACITY"]
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    assert '<span class="badge" title="OPACITY">' not in client.get(reverse("scan", args=[other.pk])).content.decode()


def test_a_doubt_about_a_covered_label_is_not_shown(gold, author, admin, project):
    normal = project.class_rows.get(name="NORMAL")
    shares = {"given_probability": 0.1, "suggested_probability": 0.9}
    LabelDoubt.objects.create(image=gold, given=gold.label_class, suggested=normal, source="training001", **shares)
    assert [list(label_doubts(project, who)) != [] for who in (author, admin)] == [False, True]


def test_an_export_says_no_more_than_the_pages(gold, author, admin, project):
    def texts(reader) -> str:
        leaving = worker.parcel.of_scans("x", project, Image.objects.all(), files="originals", reader=reader)
        with zipfile.ZipFile(io.BytesIO(b"".join(worker.zip_stream(leaving.files())))) as file:
            return "".join(file.read(name).decode() for name in file.namelist() if name.endswith(".csv"))

    assert ("OPACITY" in texts(author), "OPACITY" in texts(admin)) == (False, True)


def test_the_trail_tells_readers_neither_which_scans_measure_nor_what_others_said(gold, author, admin, project):
    grant(actor=admin, project=project, user=author, codename="view_audit")
    events = list(audit_events(author).filter(object_id=str(gold.pk)))
    assert {event.action for event in events} >= {"label.create", "review.create"}
    assert all(event.details == {} for event in events if event.action in ("label.create", "review.create"))
    assert not audit_events(author).filter(action="scan.gold").exists()
    assert "scan.gold" not in changes(author).values_list("event__action", flat=True)


def test_withdrawing_takes_back_what_one_said_and_not_the_label_one_does_not_see(gold, author):
    before = state(gold)
    assert not withdraw_label(actor=author, image=gold).changed
    said(gold, author, "NORMAL")
    assert withdraw_label(actor=author, image=gold).changed
    assert state(gold) == before
    assert list(Read.objects.order_by("pk").values_list("kind", "waiting")) == [("replaced", None), ("gold", True)]


@pytest.fixture
def told(api, author, project):
    """What a reader is told of one scan: by the API, on its timeline and in an export, but for what names the scan."""

    def of(scan) -> list:
        answers = [
            (row["label"], row["taken_back"]) for row in api(author).get(f"{LABELS}?image={scan.pk}").data["results"]
        ]
        moments = [moment.text for moment in of_scan(Image.objects.get(pk=scan.pk), author) if moment.kind == "label"]
        lines = list(csv.DictReader(io.StringIO(text.history({scan.pk: "x"}, reader=author).decode())))
        return [answers, moments, [(line["what"], line["label"], line["taken_back"]) for line in lines]]

    return of


@pytest.mark.parametrize("taken", [withdraw_label, undo_scan])
def test_nobody_can_tell_what_measures_them_by_what_they_took_back(taken, gold, make_scan, author, project, told):
    from labeling.models import Label

    plain, again = make_scan(seed=2), make_scan(seed=3)
    first = said(again, author, "NORMAL").label
    Read.objects.create(image=again, reader=author, kind="repeat", against=first, waiting=True)
    scans = (plain, gold, again)
    for scan in scans:
        said(scan, author, "OPACITY")
        said(scan, author, "NORMAL")
    assert told(plain) == told(gold) == told(again)
    for scan in scans:
        taken(actor=author, image=Image.objects.get(pk=scan.pk))
    answers, lines = told(plain)[0], told(plain)[2]
    assert answers == [("NORMAL", True), ("OPACITY", False)]
    assert [line[2] for line in lines] == ["", "yes"]
    for scan in (gold, again):
        assert [told(scan)[0], told(scan)[2]] == [answers, lines]
        assert all(mark == (number == 1) for number, mark in enumerate("since" in one for one in told(scan)[1]))
    assert Label.objects.get(pk=first.pk).taken_back is False


def test_undo_of_many_takes_reads_back_too(gold, make_scan, author, colleague, project):
    Project.objects.filter(pk=project.pk).update(reads_wanted=2)
    scans = [Image.objects.get(pk=make_scan(seed=seed).pk) for seed in (2, 3)]
    before = state(gold)
    opacity = project.class_rows.get(name="OPACITY")
    assert all(one.ok for one in label_many(actor=author, images=[*scans, gold], label_class=opacity))
    assert all(one.ok for one in undo_many(actor=author, images=[*scans, gold]))
    assert not Read.objects.filter(active=True).exists()
    assert state(gold) == before
    with pytest.raises(Conflict) as nothing:
        undo_scan(actor=colleague, image=scans[0])
    assert nothing.value.code == "nothing_to_undo"


def test_what_one_said_before_of_a_scan_given_again_is_not_shown(make_scan, author, project):
    scan = make_scan(seed=1)
    first = said(scan, author, "OPACITY").label
    Read.objects.create(image=scan, reader=author, kind=Read.Kind.REPEAT, against=first, waiting=True)
    assert not labels(author).exists()
    said(scan, author, "NORMAL")
    assert [row.label_class.name for row in labels(author)] == ["NORMAL"]
