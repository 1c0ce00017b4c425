"""Which frames of a scan of several are looked at."""

import importlib
from functools import partial

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image as Picture

from images import learning
from images.frames import Looked, all_looked_at, looked_at, require_chosen, spread, strip_of, unchosen_of
from images.models import FrameChoice, FrameSource, Image
from images.services import choose_frames, revoke, update_project
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from mediscan_site.core.models import AuditEvent
from tests.images.cines import cine, store
from tests.images.decoding.conftest import encode

pytestmark = pytest.mark.django_db


@pytest.fixture
def bring(project, author):
    return partial(store, project, author)


def looks(image, project, wanted):
    project.frames_seen = wanted
    looked = looked_at(image, project)
    return looked.frames, looked.source


@pytest.mark.parametrize(
    ("count", "wanted", "named", "frames"),
    [
        (10, 1, None, (6,)),
        (10, 2, None, (3, 8)),
        (9, 3, None, (2, 5, 8)),
        (3, 8, None, (1, 2, 3)),
        (10, 2, 7, (3, 7)),
        (10, 2, 8, (3, 8)),
        (100, 4, 1, (1, 38, 63, 88)),
    ],
)
def test_frames_are_spread_evenly_and_the_named_one_is_among_them(count, wanted, named, frames):
    assert spread(count, wanted, named) == frames


@pytest.mark.parametrize("count", [2, 5, 16, 17, 33, 1000])
def test_spread_frames_are_as_many_as_wanted_and_all_there(count):
    for wanted in range(1, 17):
        for named in (None, 1, count // 2 + 1, count):
            frames = spread(count, wanted, named)
            assert len(set(frames)) == min(count, wanted)
            assert all(1 <= frame <= count for frame in frames)
            assert named is None or named in frames


def test_without_anybody_who_says_which_no_frame_counts(bring, project):
    image = bring(cine())
    assert image.frames == 6
    assert looked_at(image, project) == Looked()
    with pytest.raises(Invalid) as refusal:
        require_chosen(image, project)
    assert (refusal.value.code, refusal.value.attr) == ("unsupported_multiframe", "image")
    assert "Choose frames on its page" in refusal.value.detail


def test_the_frame_that_the_file_names_counts(bring, project):
    image = bring(cine(RepresentativeFrameNumber=4))
    assert looks(image, project, 1) == ((4,), FrameSource.FILE)
    assert looks(image, project, 2) == ((2, 4), FrameSource.RULE)


def test_a_project_may_look_at_several_frames(bring, project):
    image = bring(cine())
    assert looks(image, project, 3) == ((2, 4, 6), FrameSource.RULE)
    assert looks(image, project, 16) == ((1, 2, 3, 4, 5, 6), FrameSource.RULE)


def test_a_scan_of_one_frame_has_none_to_choose_and_costs_no_query(make_scan, project, author):
    image = make_scan()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert looked_at(image, project) == require_chosen(image, project) == Looked()
    assert len(queries) == 0
    with pytest.raises(Invalid) as refusal:
        choose_frames(actor=author, image=image, frames=[1])
    assert refusal.value.code == "one_frame"


def test_many_scans_are_one_query(bring, project, author):
    scans = [bring(cine(seed=seed, RepresentativeFrameNumber=seed + 1)) for seed in range(3)]
    choose_frames(actor=author, image=scans[0], frames=[5])
    with CaptureQueriesContext(connection) as queries:
        found = all_looked_at(scans, project)
    assert len(queries) == 1
    assert [found[scan.pk].frames for scan in scans] == [(5,), (2,), (3,)]


def test_a_person_chooses_and_the_newest_choice_counts(bring, project, author, colleague):
    image = bring(cine(RepresentativeFrameNumber=4))
    looked = choose_frames(actor=author, image=image, frames=[5, 2, 5])
    assert (looked.frames, looked.source, looked.by) == ((2, 5), FrameSource.PERSON, "author")
    assert looks(image, project, 8) == ((2, 5), FrameSource.PERSON)
    assert choose_frames(actor=colleague, image=image, frames=[6]).by == "colleague"
    said = list(FrameChoice.objects.order_by("pk").values_list("source", "frames"))
    assert said == [("file", [4]), ("person", [2, 5]), ("person", [6])]
    event = AuditEvent.objects.filter(action="scan.choose_frames").latest("pk")
    assert (event.actor, event.details) == (colleague, {"frames": [6], "of": 6})


def test_the_same_choice_again_changes_nothing(bring, author, colleague):
    image = bring(cine())
    first = choose_frames(actor=author, image=image, frames=[2])
    version = Image.objects.get(pk=image.pk).version
    assert choose_frames(actor=colleague, image=image, frames=[2]) == first
    assert Image.objects.get(pk=image.pk).version == version
    assert FrameChoice.objects.count() == 1


def test_a_choice_is_taken_back_and_the_rule_counts_again(bring, project, author):
    image = bring(cine(RepresentativeFrameNumber=4))
    assert choose_frames(actor=author, image=image, frames=[]).source == FrameSource.FILE
    assert FrameChoice.objects.count() == 1, "there was nothing to take back"
    choose_frames(actor=author, image=image, frames=[1])
    assert choose_frames(actor=author, image=image, frames=[]).frames == (4,)
    assert looks(image, project, 2) == ((2, 4), FrameSource.RULE)


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        ([0], "does_not_exist", "frames 1 to 20, and no frame 0"),
        ([3, 21], "does_not_exist", "no frame 21"),
        (range(1, 18), "too_many_frames", "at most 16"),
    ],
)
def test_frames_that_cannot_be_chosen_are_refused_in_words(bring, author, frames, code, words):
    image = bring(cine(20))
    with pytest.raises(Invalid) as refusal:
        choose_frames(actor=author, image=image, frames=frames)
    assert (refusal.value.code, refusal.value.attr) == (code, "frames")
    assert words in refusal.value.detail
    assert not FrameChoice.objects.exists()


def test_who_may_label_may_choose(bring, project, admin, author, colleague, outsider):
    image = bring(cine())
    revoke(actor=admin, project=project, user=colleague, codename="label_image")
    with pytest.raises(Forbidden):
        choose_frames(actor=colleague, image=image, frames=[1])
    with pytest.raises(NotFound):
        choose_frames(actor=outsider, image=image, frames=[1])


def test_a_held_scan_and_a_changed_one_are_left_alone(bring, author):
    image = bring(cine())
    with pytest.raises(Stale):
        choose_frames(actor=author, image=image, frames=[1], expected_version=image.version + 1)
    Image.objects.filter(pk=image.pk).update(hold="burned_in_annotation")
    image.refresh_from_db()
    with pytest.raises(Conflict) as refusal:
        choose_frames(actor=author, image=image, frames=[1])
    assert refusal.value.code == "held"
    assert not FrameChoice.objects.exists()


def test_a_choice_moves_the_scan_on(bring, author):
    image = bring(cine())
    choose_frames(actor=author, image=image, frames=[1], expected_version=image.version)
    assert Image.objects.get(pk=image.pk).version == image.version + 1


@pytest.mark.parametrize("wrong", [0, 17, 1.5, "many", True])
def test_how_many_frames_a_project_looks_at_is_a_small_whole_number(project, admin, wrong):
    with pytest.raises(Invalid) as refusal:
        update_project(actor=admin, project=project, changes={"frames_seen": wrong})
    assert refusal.value.attr == "frames_seen"


def test_what_files_named_before_is_remembered_from_their_notes(bring, make_scan):
    named, not_named = bring(cine(RepresentativeFrameNumber=4)), bring(cine(seed=9))
    make_scan()
    FrameChoice.objects.all().delete()
    before = "Frame 4 of 6 is used, which the file names for it; the others are ignored."
    Image.objects.filter(pk=named.pk).update(notes=["Something else.", before])
    importlib.import_module("images.migrations.0011_frames").remember_named(apps, None)
    (row,) = FrameChoice.objects.all()
    assert (row.image, row.frames, row.source, row.chosen_by) == (named, [4], FrameSource.FILE, None)
    assert not_named.frames == 6


SLIDE = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6",
    "TotalPixelMatrixColumns": 128,
    "TotalPixelMatrixRows": 192,
    "Modality": "SM",
}


def of_many(kind: str) -> bytes:
    """A file that holds several pictures, of which a scan is one."""
    if kind == "slide":
        return cine(**SLIDE)
    rng = np.random.default_rng(5)
    first, *others = (Picture.fromarray(rng.integers(0, 255, (40, 60), np.uint8)) for _ in range(3))
    return encode(first, kind, save_all=True, append_images=others)


@pytest.mark.parametrize("kind", ["MPO", "PNG", "slide"])
def test_a_file_of_several_pictures_that_are_no_frames_is_one_picture_for_every_rule(bring, api, project, author, kind):
    image = bring(of_many(kind))
    assert (image.frames > 1, image.frames_shown) == (True, 1)
    for wanted in (1, 2, 16):
        assert looks(image, project, wanted) == ((), FrameSource.NOBODY)
    project.frames_seen = 2
    assert require_chosen(image, project) == Looked()
    assert unchosen_of(Image.objects.filter(pk=image.pk), project) == []
    assert strip_of(image).shown == (1,)
    assert np.array_equal(learning.view(image, 1).pixels, learning.view(image).pixels)
    with pytest.raises(NotFound):
        learning.view(image, 2)
    with pytest.raises(Invalid) as refusal:
        choose_frames(actor=author, image=image, frames=[1, 2])
    assert refusal.value.code == "one_frame"
    assert not FrameChoice.objects.exists()
    body = api(author).get(f"/api/v1/images/{image.code}/frames/").json()
    assert (body["frames"], body["chosen"], len(body["shown"])) == (1, [], 1)


def test_the_pages_of_a_tiff_are_frames(bring, project):
    image = bring(of_many("TIFF"))
    assert image.frames_shown == image.frames == 3
    assert looks(image, project, 2) == ((1, 3), FrameSource.RULE)
    assert not np.array_equal(learning.view(image, 1).pixels, learning.view(image, 3).pixels)


def test_the_api_says_which_frames_there_are_and_takes_a_choice(bring, api, author):
    image = bring(cine(RepresentativeFrameNumber=4))
    client, url = api(author), f"/api/v1/images/{image.code}/frames/"
    first = client.get(url)
    body = first.json()
    assert (body["frames"], body["chosen"], body["chosen_how"], body["chosen_by"]) == (6, [4], "file", None)
    assert [frame["number"] for frame in body["shown"] if frame["chosen"]] == [4]
    thumbnail = client.get(body["shown"][1]["thumbnail_url"])
    assert (thumbnail.status_code, thumbnail["Content-Type"]) == (200, "image/jpeg")
    made = client.put(url, {"frames": [6, 1]}, format="json", HTTP_IF_MATCH=first["ETag"])
    assert (made.status_code, made.json()["chosen"], made.json()["chosen_by"]) == (200, [1, 6], "author")
    assert made["ETag"] != first["ETag"]
    stale = client.put(url, {"frames": [2]}, format="json", HTTP_IF_MATCH=first["ETag"])
    wrong = client.put(url, {"frames": [7]}, format="json")
    assert (stale.status_code, wrong.status_code) == (412, 400)
    assert wrong.json()["errors"][0]["attr"] == "frames"


def test_long_scans_show_some_frames_and_rows_of_all(bring, project):
    image = bring(cine(150, side=16))
    strip = strip_of(image)
    assert (len(strip.shown), strip.overview, strip.before, strip.after) == (12, True, None, 1)
    rows = [strip_of(image, first) for first in (1, 13, 145)]
    assert [(row.shown[0], row.shown[-1], row.before, row.after) for row in rows] == [
        (1, 12, None, 13),
        (13, 24, 1, 25),
        (145, 150, 133, None),
    ]
    assert not any(row.overview for row in rows)
