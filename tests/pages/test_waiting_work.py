"""What waits to be labelled and reviewed is one number: the queue's, on every page that shows it."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from images.models import Image
from images.services import add_member, create_project
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import queue_counts
from mediscan_site.front.overview.dashboard import dashboard
from tests.pages.conftest import texts


def figure(page: str, name: str) -> str:
    shown = re.search(rf"<dt>(?:(?!</dt>).)*?{name}</dt>\s*<dd>(.*?)</dd>", page, re.DOTALL)
    assert shown, f"the page has no figure '{name}'"
    return re.sub(r"<[^>]+>", "", shown.group(1)).strip()


@pytest.fixture
def every_state(make_scan, colleague):
    """A scan in each state that was ever counted differently on two pages."""
    make_scan(seed=1)
    held = make_scan(seed=2)
    Image.objects.filter(pk=held.pk).update(hold="burned_in_annotation")
    review_scan(actor=colleague, image=make_scan(seed=3, label="NORMAL"), status="rejected")
    make_scan(seed=4, label="NORMAL")
    make_scan(seed=5, label="NORMAL", actor=colleague)
    held_label = make_scan(seed=6, label="NORMAL", actor=colleague)
    Image.objects.filter(pk=held_label.pk).update(hold="burned_in_annotation")
    make_scan(seed=7, label="OPACITY", actor=colleague)


@pytest.mark.parametrize(("persona", "to_label", "to_review"), [("author", 2, 2), ("colleague", 2, 1), ("admin", 2, 3)])
def test_the_queue_the_dashboard_and_the_project_page_say_one_number(
    browser, project, every_state, request, persona, to_label, to_review
):
    user = request.getfixturevalue(persona)
    client = browser(user)
    assert queue_counts(user=user, projects=[project]) == {project.pk: {"label": to_label, "review": to_review}}
    for address in (reverse("dashboard"), reverse("project", args=[project.pk])):
        page = texts(client.get(address))
        assert figure(page, "To label") == str(to_label), address
        assert figure(page, "To review") == str(to_review), address
    assert client.get(reverse("label_next", args=[project.pk])).context["desk"].left == to_label
    assert client.get(reverse("review", args=[project.pk])).context["desk"].left == to_review


def test_a_dashboard_of_many_projects_asks_no_more_than_one_of_few(browser, admin, author, project, every_state):
    def asked(user) -> int:
        client = browser(user)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse("dashboard")).status_code == 200
        return len(queries)

    asked(author)  # what is asked once in a process
    of_one = [asked(author), asked(admin)]
    for number in range(4):
        other = create_project(actor=admin, name=f"Ward {number}", classes=["NORMAL", "OPACITY"])
        add_member(actor=admin, project=other, user=author)
    assert [asked(author), asked(admin)] == of_one
    assert max(of_one) <= 14
    assert [card.waiting["to_label"] for card in dashboard(admin).cards] == [0, 0, 0, 0, 2]
