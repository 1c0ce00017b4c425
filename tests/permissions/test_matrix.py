"""matrix.csv: route, method, body and the status each persona gets. One test per cell, and no route without a row.

`$names` are ids of `world.py`. The body is JSON for the API and form fields for pages; a value "@scan" is a new image file,
"@zip" a ZIP. A route and method may have several rows (with other bodies)."""

import csv
import io
import json
import zipfile
from pathlib import Path
from string import Template

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from rest_framework.test import APIClient

from mediscan_site.core.auth import token_pair
from tests.conftest import scan_bytes
from tests.permissions.world import PERSONAS, World, build

TABLE = Path(__file__).with_name("matrix.csv")
ROWS = list(csv.DictReader(TABLE.read_text().splitlines()))
CELLS = [
    pytest.param(row, who, id=f"{n + 2}-{row['method']}-{row['route']}-{who}")
    for n, row in enumerate(ROWS)
    for who in PERSONAS
]
# Open to anyone by contract, or Django's own.
OPEN_PAGES = (
    "invitation",
    "login",
    "logout",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
)
NO_PAGE = ("healthz", "readyz", "metrics")


# Each cell runs in a savepoint inside the transaction that made the world.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        made = build()
        # Signed in once: a cell that ends a session does so in its own savepoint.
        made.sessions = {who: signed_in(user) for who, user in made.people.items() if user is not None}
        yield made
        transaction.set_rollback(True)


def signed_in(user) -> str:
    """The key of a session of this user."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.session.session_key


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("NORMAL/a.jpg", scan_bytes(77))
    return out.getvalue()


def body_of(row: dict[str, str], world: World):
    values = json.loads(Template(row["body"] or "{}").substitute(world.ids))
    files = {"@scan": ("new.jpg", lambda: scan_bytes(99)), "@zip": ("new.zip", a_zip)}
    return {
        key: SimpleUploadedFile(files[value][0], files[value][1]()) if value in ("@scan", "@zip") else value
        for key, value in values.items()
    }


def call(row: dict[str, str], who: str, world: World):
    path, method, body = Template(row["route"]).substitute(world.ids), row["method"].lower(), body_of(row, world)
    user = world.people[who]
    if not path.startswith(("/api/", "/metrics")):
        page = Client(raise_request_exception=False)
        if user is not None:
            page.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[who]
        return getattr(page, method)(path, body)
    client = APIClient(raise_request_exception=False)
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_pair(user)['access']}")
    has_file = any(isinstance(value, SimpleUploadedFile) for value in body.values())
    form = {} if method == "get" else {"format": "multipart" if has_file else "json"}
    return getattr(client, method)(path, body, **form)


@pytest.mark.parametrize(("row", "who"), CELLS)
def test_each_persona_gets_the_status_of_the_matrix(row, who, world):
    response = call(row, who, world)
    said = getattr(response, "content", b"")[:300]
    assert str(response.status_code) == row[who], said


def routes(patterns, prefix: str = ""):
    """Every (route, view) of the URLconf, the route as a ResolverMatch writes it. The admin site is Django's own."""
    for pattern in patterns:
        route = str(pattern.pattern)
        joined = prefix + (route.removeprefix("^") if prefix else route)
        if isinstance(pattern, URLResolver):
            if joined != "admin/":
                yield from routes(pattern.url_patterns, joined)
        elif isinstance(pattern, URLPattern):
            yield joined, pattern


def methods(view) -> list[str]:
    """What an API view takes. A page's methods are not written on it: one row for it is asked for."""
    if hasattr(view, "actions"):
        return [name.upper() for name in view.actions if name != "head"]
    if hasattr(view, "view_class") and hasattr(view, "cls"):
        return [name.upper() for name in ("get", "post", "patch", "put", "delete") if hasattr(view.cls, name)]
    return ["*"]


def test_every_route_and_method_has_a_row(world):
    covered: set[tuple[str, str]] = set()
    for row in ROWS:
        route = resolve(Template(row["route"]).substitute(world.ids)).route
        covered |= {(route, row["method"]), (route, "*")}
    wanted = {
        (route, method)
        for route, pattern in routes(get_resolver().url_patterns)
        for method in methods(pattern.callback)
        if pattern.name != "api-not-found"
    }
    missing = sorted(wanted - covered)
    assert not missing, "routes without a row in matrix.csv:\n" + "\n".join(f"{m} {r}" for r, m in missing)


def test_every_page_sends_the_anonymous_to_the_log_in(world):
    pages = [row for row in ROWS if not row["route"].startswith("/api/")]
    wrong = []
    for row in pages:
        path = Template(row["route"]).substitute(world.ids)
        if (resolve(path).url_name or "") in OPEN_PAGES + NO_PAGE:
            continue
        for method in ("get", "post"):
            response = getattr(Client(), method)(path)
            if response.status_code != 302 or "/login/?next=" not in response["Location"]:
                wrong.append((method, path, response.status_code))
    assert not wrong
