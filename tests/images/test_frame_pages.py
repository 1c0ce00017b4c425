"""The frames of a scan on its page."""

from functools import partial

import pytest
from django.urls import reverse

from images.frames import looked_at
from images.models import FrameChoice, Image, Project
from images.services import choose_frames, delete_scan, revoke, update_project
from tests.images.cines import cine, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def bring(project, author):
    return partial(store, project, author)


def test_the_page_of_a_cine_has_its_frames_and_takes_a_choice_without_scripts(bring, client, author, make_scan):
    client.force_login(author)
    image = bring(cine(RepresentativeFrameNumber=4))
    page = client.get(reverse("scan", args=[image.pk])).content.decode()
    assert page.count("/frames/3/?size=thumbnail") == 1
    assert "its file names it" in page
    url = reverse("scan_frames", args=[image.pk])
    done = client.post(url, {"frames": ["2", "5"], "version": image.version}, follow=True).content.decode()
    assert "These frames count from now on." in done
    assert "chosen by author" in done
    assert looked_at(image, image.project).frames == (2, 5)
    late = client.post(url, {"frames": ["1"], "version": image.version}, follow=True).content.decode()
    assert "changed meanwhile" in late
    assert looked_at(image, image.project).frames == (2, 5)
    assert "<h2>Frames</h2>" not in client.get(reverse("scan", args=[make_scan().pk])).content.decode()


def test_a_long_choice_is_kept_when_another_row_of_frames_is_ticked(bring, client, author):
    client.force_login(author)
    image = bring(cine(150, side=16))
    choose_frames(actor=author, image=image, frames=[3])
    page = client.get(reverse("scan", args=[image.pk]), {"first": "65"}).content.decode()
    assert '<input type="hidden" name="frames" value="3">' in page
    assert 'value="65"' in page
    assert "Also chosen, in other rows: 3." in page


def test_what_nobody_chose_is_not_sent_along_with_the_ticks_of_a_row(bring, client, author, admin, project):
    client.force_login(author)
    image = bring(cine(150, side=16))
    update_project(actor=admin, project=project, changes={"frames_seen": 16})
    page = client.get(reverse("scan", args=[image.pk]), {"first": "140"}).content.decode()
    assert 'type="hidden" name="frames"' not in page
    assert "in other rows" not in page
    url = reverse("scan_frames", args=[image.pk])
    client.post(url, {"frames": ["141", "142"], "version": image.version})
    assert looked_at(image, Project.objects.get(pk=project.pk)).frames == (141, 142)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (["two"], "whole numbers"),
        (["²"], "whole numbers"),
        (["٣"], "whole numbers"),
        (["9" * 30], "whole numbers"),
        (["1"] * 501, "at most 16"),
        (["3000001"], "no frame 3000001"),
    ],
)
def test_the_form_takes_numbers_alone_and_makes_no_list_of_all_frames(bring, client, author, sent, words):
    client.force_login(author)
    image = bring(cine())
    Image.objects.filter(pk=image.pk).update(frames=3_000_000)
    done = client.post(reverse("scan_frames", args=[image.pk]), {"frames": sent}, follow=True)
    assert words in done.content.decode()
    assert not FrameChoice.objects.exists()


def test_rights_come_before_what_was_sent(bring, client, project, admin, colleague):
    image = bring(cine())
    revoke(actor=admin, project=project, user=colleague, codename="label_image")
    client.force_login(colleague)
    answer = client.post(reverse("scan_frames", args=[image.pk]), {"frames": ["two"]})
    assert answer.status_code == 403


def test_choices_are_gone_with_an_erased_scan(bring, author, admin):
    image = bring(cine(RepresentativeFrameNumber=4))
    choose_frames(actor=author, image=image, frames=[2])
    delete_scan(actor=admin, image=Image.objects.get(pk=image.pk))
    assert not FrameChoice.objects.exists()
