"""Personas, a project, scans: what most tests begin with. Everything is made through the real services."""

import gc
import io
import os
import random
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from rest_framework.test import APIClient

# How long an example takes is the machine's business, not the code's. CI must say the same of the same code each time, so it
# takes the same examples each time; developers' runs (CI not set) search on at random, and what they find becomes a test.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
hypothesis_settings.register_profile("search", **PATIENT)
hypothesis_settings.register_profile("repeat", derandomize=True, **PATIENT)
hypothesis_settings.load_profile("repeat" if os.environ.get("CI") else "search")

# Seconds after which something that should have happened will not happen any more. Nothing is slower for a long wait, and a
# machine that runs two suites, browsers and databases is slow: no test may ask it to be quick.
PATIENCE_S = 600.0

PASSWORD = "correct horse battery staple"
CLASSES = ["NORMAL", "OPACITY"]


# Modules that set up what takes longer than their tests: a browser, MLflow and its store, servers, whole sites.
SETTING_UP = (
    "_in_chromium.py",
    "/test_mlflow.py",
    "/gate/test_server.py",
    "/tls/test_serving.py",
    "/tls/test_brokers.py",
    "/tls/test_databases.py",
    "/tls/test_proxies.py",
    "/tls/test_store_and_book.py",
    "/site/test_start.py",
    "/test_real_orthanc.py",
)


def scope(nodeid: str) -> str:
    """What runs on one worker: each test by itself, but all those that drive the real site together, or there are two sites; so
    too the tests of a module that would be set up twice."""
    path = nodeid.split("::")[0]
    if "/story/" in path:
        return "site"
    return path if path.endswith(SETTING_UP) else nodeid


# `--dist loadgroup` alone would not group, see findings/xdist_loadgroup_ignores_groups.sh.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    from xdist.scheduler import LoadGroupScheduling

    class OneSite(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return OneSite(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_collection_finish() -> None:
    """What the imports made lives as long as the process: the garbage collector need not search it again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The scratch folder of this run goes with it; workers share their controller's."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["MEDISCAN_TEST_SCRATCH"], ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """After each test with real commits, Django empties every table and writes content types and permissions again, which takes
    longer than most tests. No test changes those rows: they stay, and so do those that say which keys and store are ours. The
    audit trail refuses to be emptied: here its guards are taken away first and put back after."""
    from django.core.management.commands import flush

    from mediscan_site.core import start
    from mediscan_site.core.trail import guards

    kept = {"django_content_type", "auth_permission", "core_keycheck", "core_storeowner"}
    with django_db_blocker.unblock():
        start.require_own()

    def sql_flush(style, connection, **options):
        guards.unprotect(connection)
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        return connection.ops.sql_flush(style, [name for name in tables if name not in kept], **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", sql_flush)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *arguments, **options: guards.protect())
        yield


@contextmanager
def unguarded():
    """What an attacker does who owns the database. For tests with real commits: MySQL commits around such a statement."""
    from mediscan_site.core.trail import guards

    guards.unprotect()
    try:
        yield
    finally:
        guards.protect()


@pytest.fixture(autouse=True, scope="module")
def _no_module_inherits_objects():
    """What fixtures of an earlier module, or threads that outlived its tests, stored. The marker of the store stays."""
    for folder in (Path(settings.DATA_DIR) / "blobs").glob("*/"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_test_knows_scans_of_another():
    """Keys come again with every test: what the process remembers of them is of other scans."""
    yield
    if known := sys.modules.get("images.services.known"):
        known.forget()


@pytest.fixture(autouse=True)
def _disk_is_given_back():
    """A model bundle has 45 MB: what a test stored goes with its rows, else a whole suite leaves tens of gigabytes."""
    folder = Path(settings.DATA_DIR) / "blobs"
    before = set(folder.glob("*/*/*"))
    yield
    for path in set(folder.glob("*/*/*")) - before:
        path.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    """A worker that a test runs in its own thread goes on with the token that asked for the work, as its task would."""
    from mediscan_site.core import refusals
    from mediscan_site.core.http.context import use_token

    yield
    use_token(None)
    refusals.forget()


@cache
def contract():
    """What the API says of itself."""
    from mediscan_site.front.schema_api import OneForAll
    from tests.contract import Contract

    return Contract(OneForAll().get_schema())


@pytest.fixture(autouse=True, scope="session")
def _every_answer_is_as_the_document_says():
    """Of the API, to whichever test: an answer with a status, content type or field that /api/schema/ does not know fails it."""
    from mediscan_site.core.http.later import Later

    ask, site = APIClient.request, settings.ROOT_URLCONF

    def checked(client: APIClient, **request):
        answer = ask(client, **request)
        method, path = answer.request["REQUEST_METHOD"], answer.request["PATH_INFO"]
        # Neither routes that a test makes for itself nor a marker, in whose place the web server answers later.
        if path.startswith("/api/") and site == settings.ROOT_URLCONF and not isinstance(answer, Later):
            body = None if answer.streaming else answer.content
            contract().require(method, path, answer.status_code, answer.headers.get("Content-Type", ""), body)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(APIClient, "request", checked)
        yield


@pytest.fixture(autouse=True)
def _same_random_numbers():
    """Random weights and noise are those of the test, whichever tests ran in this process before."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def _heartbeats_see_the_test(request, monkeypatch):
    """Most tests work inside one transaction, which a heartbeat on its own connection cannot see: after four seconds it would
    call the work lost. There it always finds its row; where rows are committed, the real one beats."""
    marker = request.node.get_closest_marker("django_db")
    if (marker and marker.kwargs.get("transaction")) or "transactional_db" in request.fixturenames:
        return
    from mediscan_site.core import work

    beat = work.beat

    def seen(*row, **columns) -> bool:
        return threading.current_thread().name.startswith("pulse-") or beat(*row, **columns)

    monkeypatch.setattr(work, "beat", seen)


@pytest.fixture(scope="session")
def shared_data():
    """Real scans with splits and labels, where this machine has them."""
    folder = Path(os.environ.get("MEDISCAN_TEST_DATA") or settings.BASE_DIR.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no folder of real scans: set MEDISCAN_TEST_DATA")
    return folder


def make_user(name: str, *, role: str = "doctor", is_active: bool = True):
    from mediscan_site.core.models import User

    admin = role == "admin"
    user = User(username=name, email=f"{name}@hospital.example", role=role, is_active=is_active)
    user.is_staff = user.is_superuser = admin
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def admin(db):
    return make_user("admin", role="admin")


@pytest.fixture
def project(admin):
    from images.services import create_project

    return create_project(actor=admin, name="Chest X-ray", classes=CLASSES, modality="X-ray")


def member(project, admin, name: str):
    from images.services import add_member

    user = make_user(name)
    add_member(actor=admin, project=project, user=user)
    return user


@pytest.fixture
def author(project, admin):
    return member(project, admin, "author")


@pytest.fixture
def colleague(project, admin):
    return member(project, admin, "colleague")


@pytest.fixture
def outsider(db):
    return make_user("outsider")


@pytest.fixture
def inactive(db):
    return make_user("inactive", is_active=False)


@pytest.fixture
def api():
    """A client of the HTTP API: `api()` anonymous, `api(user)` with that user's real access token."""

    def client(user=None) -> APIClient:
        from rest_framework_simplejwt.tokens import RefreshToken

        made = APIClient()
        if user is not None:
            made.credentials(HTTP_AUTHORIZATION=f"Bearer {RefreshToken.for_user(user).access_token}")
        return made

    return client


@cache
def scan_bytes(seed: int = 0, *, opacity: bool = False, scan_index: int = 0) -> bytes:
    """A small JPEG phantom; equal arguments give equal bytes."""
    from images.phantoms import phantom

    out = io.BytesIO()
    phantom(seed, scan_index, opacity).resize((160, 150)).save(out, "JPEG", quality=90)
    return out.getvalue()


@pytest.fixture
def make_scan(project, author):
    """A stored scan of the project: `make_scan(seed=3, opacity=True, patient="p3")`; `label=` labels it as the actor."""

    def make(*, seed: int = 0, opacity: bool = False, label: str | None = None, actor=None, into=None, **facts):
        from images.services import ScanFacts
        from labeling.imports.services import upload_scan

        target = into or project
        wanted = target.class_rows.get(name=label) if label else None
        split = facts.pop("split", None)
        external_id = facts.pop("external_id", None)
        image, _ = upload_scan(
            actor=actor or author,
            project=target,
            source=io.BytesIO(scan_bytes(seed, opacity=opacity)),
            file_name=f"scan{seed}.jpg",
            facts=ScanFacts(**facts),
            label_class=wanted,
            split=split,
            external_id=external_id,
        )
        image.refresh_from_db()
        return image

    return make


@pytest.fixture
def approved_scans(make_scan, colleague):
    """`approved_scans(12)`: so many scans, each of its own patient, classes in turn, labelled by author, approved by colleague."""

    def make(count: int, *, first_seed: int = 100, split: str | None = None):
        from labeling.reading.reviews import review_scan

        scans = []
        for number in range(count):
            seed, sick = first_seed + number, bool(number % 2)
            image = make_scan(seed=seed, opacity=sick, label=CLASSES[sick], patient=f"patient{seed}", split=split)
            review_scan(actor=colleague, image=image, status="approved")
            image.refresh_from_db()
            scans.append(image)
        return scans

    return make


@pytest.fixture
def make_snapshot(approved_scans, admin, project):
    """A frozen data set with scans of both classes in each split."""

    def make(per_split: int = 6):
        from labeling.datasets.freezing import freeze_snapshot

        for number, split in enumerate(("train", "val", "test")):
            approved_scans(per_split, first_seed=1000 * (number + 1), split=split)
        return freeze_snapshot(actor=admin, project=project, seed=0)

    return make
