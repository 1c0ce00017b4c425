"""What a person sets for themselves: kept with the account, checked by one table."""

import pytest
from django.conf import settings

from mediscan_site.core import preferences
from mediscan_site.core.errors import Invalid
from mediscan_site.core.services import set_preferences

pytestmark = pytest.mark.django_db
MINE = "/api/v1/users/me/preferences/"


def test_what_was_not_set_has_its_default_and_the_others_stay(api, author):
    client = api(author)
    assert client.get(MINE).json() == {name: row.default for name, row in preferences.PREFERENCES.items()}
    window = {"name": "Lung", "centre": -600, "width": 1500, "modality": "CT"}
    client.patch(MINE, {"theme": "dark", "window_presets": [window]}, format="json")
    changed = client.patch(MINE, {"letter_keys": False}, format="json").json()
    assert (changed["theme"], changed["letter_keys"], changed["window_presets"]) == ("dark", False, [window])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "pink"),
        ("language", "xx"),
        ("time_zone", "Europe/Atlantis"),
        ("thumbnail_size", 5),
        ("window_presets", [{"name": "a", "centre": 1, "width": 0}]),
        ("window_presets", [{"name": "", "centre": 1, "width": 2}]),
        ("window_presets", "soft"),
        ("sideways", True),
    ],
)
def test_a_value_that_is_none_is_refused_and_names_its_preference(author, name, value):
    with pytest.raises(Invalid) as refusal:
        set_preferences(actor=author, values={name: value})
    assert refusal.value.attr == name
    author.refresh_from_db()
    assert author.preferences == {}


def test_pages_speak_the_language_and_the_time_of_whoever_reads_them(client, author):
    set_preferences(actor=author, values={"language": "de", "theme": "dark"})
    client.force_login(author, backend=settings.AUTHENTICATION_BACKENDS[1])
    page = client.get("/").content.decode()
    assert '<html lang="de" dir="ltr" data-theme="dark">' in page


def test_the_api_speaks_english_whoever_asks(api, author):
    answer = api(author).get("/api/v1/images/0/", HTTP_ACCEPT_LANGUAGE="de")
    assert answer.json()["errors"][0]["detail"] == "Not found."
