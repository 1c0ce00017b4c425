"""The shell of every page: whose bar it is, whose light, and what holds for all style sheets and icons."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import RequestFactory
from django.urls import reverse
from django.utils import translation

from mediscan_site.front.style import icons, style
from mediscan_site.front.templatetags.words import grouped
from tests.pages.conftest import texts

ROOT = Path(settings.BASE_DIR)
SHEETS = sorted(ROOT.glob("static/css/**/*.css"))
ICON = re.compile(r"""\{% icon ["']([a-z-]+)["']""")
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b(?=[^{}]*[;}])|\b(?:rgb|hsl|oklch)a?\(", re.IGNORECASE)
SIDES = re.compile(r"\b(?:margin|padding|border)-(?:left|right)\b|text-align:\s*(?:left|right)|float:\s*(?:left|right)")
CURRENT = re.compile(r'<a href="([^"]+)" aria-current="page">')


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_takes_its_colours_from_the_tokens_and_knows_no_left_and_right(sheet):
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
    assert SIDES.findall(text) == []
    assert sheet.name == "tokens.css" or COLOUR.findall(text) == []


def test_every_icon_that_a_template_names_is_in_the_sprite():
    named = {name for path in ROOT.glob("templates/**/*.html") for name in ICON.findall(path.read_text())}
    assert named and named <= set(icons())
    assert len(icons()) == len(set(icons()))


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["project_settings", "project_members", "project", "scan_list", "merge_patients"])
def test_a_page_lights_its_own_entry_of_the_projects_bar(browser, admin, project, page):
    own = reverse({"merge_patients": "project_settings"}.get(page, page), args=[project.pk])
    assert CURRENT.findall(texts(browser(admin).get(reverse(page, args=[project.pk])))) == [own]


@pytest.mark.django_db
def test_the_bar_shows_administration_only_to_whom_it_is(browser, admin, colleague):
    for user, sees in ((admin, True), (colleague, False)):
        shown = texts(browser(user).get(reverse("dashboard")))
        assert (reverse("admin:index") in shown) is sees
        assert ("Administration" in shown) is sees


@pytest.mark.django_db
def test_the_light_is_chosen_without_a_script_and_leads_back_to_the_page(browser, author):
    client, form = browser(author), reverse("preferences_theme")
    assert 'data-theme="system"' in texts(client.get(reverse("jobs")))
    answer = client.post(form, {"theme": "dark", "next": reverse("jobs")})
    assert answer.headers["Location"] == reverse("jobs")
    assert 'data-theme="dark"' in texts(client.get(reverse("jobs")))
    # Nobody is sent to another site, and what is no light changes nothing.
    assert client.post(form, {"theme": "pink", "next": "//evil.example/"}).headers["Location"] == reverse("dashboard")
    assert 'data-theme="dark"' in texts(client.get(reverse("jobs")))
    assert client.post(form, {"theme": "light"}, headers={"hx-request": "true"}).status_code == 204
    assert 'data-theme="light"' in texts(client.get(reverse("jobs")))


@pytest.mark.django_db
def test_what_is_read_aloud_stands_outside_of_what_is_replaced(browser, author):
    shown = texts(browser(author).get(reverse("dashboard")))
    assert shown.count('aria-live="polite"') == 1
    assert shown.index('id="said"') < shown.index("<main")


def test_numbers_are_grouped_as_the_reader_writes_them():
    assert [grouped(value) for value in (20000, 1, "10,000+", None, True)] == ["20,000", "1", "10,000+", None, True]
    with translation.override("de"):
        assert grouped(20000) == "20.000"


@pytest.mark.django_db
def test_the_page_of_the_design_shows_each_part_in_both_lights():
    request = RequestFactory().get("/style/")
    request.htmx = False
    shown = texts(style(request))
    assert [shown.count(f'data-theme="{light}"') for light in ("light", "dark")] == [1, 1]
    assert all(shown.count(f"#{name}") >= 2 for name in icons())
