"""What somebody did, in words."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from mediscan_site.front.audit_words import ACTIONS

ROOT = Path(settings.BASE_DIR)
# Done by the site itself, so that no person's page has it.
NOBODYS = re.compile(r"(backup\.(verify|restore|withdraw)|blind_read\.draw|object\.\w+|store\.\w+|trail\.\w+|token\.reuse"
                     r"|user\.(reset_mail|invite_mail)|login\.\w+)")  # fmt: skip


def recorded() -> set[str]:
    """Every action that the source writes into the trail by its own name."""
    source = "".join(
        path.read_text()
        for app in ("mediscan_site", "images", "labeling", "models_registry", "training")
        for path in (ROOT / app).rglob("*.py")
    )
    return set(re.findall(r"(?:audit\.record(?:_many)?|_record)\(\s*\"([a-z_]+(?:\.[a-z_]+)?)\"", source))


def test_every_action_of_the_trail_that_a_person_does_has_its_words():
    assert {"label.create", "member.add", "login"} <= recorded()
    assert {action for action in recorded() if not NOBODYS.fullmatch(action)} - set(ACTIONS) == set()


@pytest.mark.django_db
def test_the_page_of_a_person_tells_them_with_links(admin, author, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    browser = Client()
    browser.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[1])
    page = " ".join(browser.get(reverse("user", args=[author.pk])).content.decode().split())
    assert f'labelled a scan <a href="{reverse("scan", args=[scan.pk])}">{scan.code}</a>' in page
    assert "upload scans, label scans, review labels of others" in page
