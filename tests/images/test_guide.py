"""The guide of a project: read by members, written by who manages it; an example goes with its scan."""

import pytest
from django.urls import reverse

from images.models import GuideExample
from images.services import add_example, delete_scan, write_guide
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, Stale
from tests.pages.conftest import browser, texts  # noqa: F401


def test_readers_see_what_was_written_and_the_examples(browser, make_scan, admin, author, project):  # noqa: F811
    scan, normal = make_scan(seed=1), project.class_rows.get(name="NORMAL")
    page = texts(browser(author).get(reverse("guide", args=[project.pk])))
    assert "Nobody has written a guide yet" in page and "Write the guide" not in page
    project = write_guide(actor=admin, project=project, words="Look twice.\n\nThen decide.", expected_version=1)
    add_example(actor=admin, project=project, image=scan, label_class=normal, caption="Clear costal angles")
    page = texts(browser(author).get(reverse("guide", args=[project.pk]), headers={"HX-Request": "true"}))
    assert "<p>Look twice.</p>" in page and "Clear costal angles" in page and "<html" not in page
    assert "An example of NORMAL" in page and "scan1.jpg" not in page
    with pytest.raises(Stale):
        write_guide(actor=admin, project=project, words="x", expected_version=1)
    delete_scan(actor=admin, image=scan)
    assert not GuideExample.objects.exists()


def test_an_example_is_a_scan_of_the_project_once_a_class(make_scan, admin, author, project):
    from images.services import create_project

    scan, normal = make_scan(seed=1), project.class_rows.get(name="NORMAL")
    with pytest.raises(Forbidden):
        add_example(actor=author, project=project, image=scan, label_class=normal)
    other = create_project(actor=admin, name="Hands", classes=["a", "b"])
    with pytest.raises(Invalid):
        add_example(actor=admin, project=other, image=scan, label_class=other.class_rows.first())
    add_example(actor=admin, project=project, image=scan, label_class=normal)
    with pytest.raises(Conflict):
        add_example(actor=admin, project=project, image=scan, label_class=normal)
