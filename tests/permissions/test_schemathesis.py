"""Schemathesis makes requests, right and wrong ones, from our OpenAPI document: for every operation and persona the answer is
one that the document names, and never a 5xx. Half of them name rows that exist."""

import os

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as search
from hypothesis import strategies as st

from mediscan_site.core.auth import token_pair
from mediscan_site.wsgi import application
from tests.permissions.world import World, build

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.generation.modes import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import status_code_conformance  # noqa: E402

pytestmark = pytest.mark.django_db

# More of them search longer: SCHEMATHESIS_EXAMPLES=100.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "2"))
PERSONAS = ("admin", "author", "outsider", "anonymous")
# The first part of a path and whose id its number is.
ROWS = {
    "projects": "project",
    "images": "scan",
    "users": "author",
    "imports": "batch",
    "uploads": "upload",
    "datasets": "dataset",
    "exports": "export",
    "models": "model",
    "evaluations": "evaluation",
    "deployments": "deployment",
    "grades": "grade",
    "training-runs": "run",
    "labels": "label",
    "reviews": "review",
    "feedback": "feedback",
    "acceptance-tests": "acceptance",
    "watches": "watch",
    "alarms": "alarm",
    "blind-reads": "blind_read",
}


def document() -> dict:
    from drf_spectacular.generators import SchemaGenerator

    return SchemaGenerator().get_schema(public=True)


SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        # As Django's own test client: the connection with the world's transaction stays open from request to request.
        request_started.disconnect(close_old_connections)
        request_finished.disconnect(close_old_connections)
        yield build()
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)
        transaction.set_rollback(True)


def credentials(world: World, who: str) -> dict[str, str]:
    user = world.people[who]
    return {"Authorization": f"Bearer {token_pair(user)['access']}"} if user else {}


def with_real_ids(case, world: World) -> None:
    first = next((part for part in case.path.split("/")[3:] if part), "")
    for name in case.path_parameters or {}:
        if name == "id" and first in ROWS:
            case.path_parameters[name] = world.ids[ROWS[first]]


@pytest.mark.parametrize("who", PERSONAS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=[f"{o.method.upper()} {o.path}" for o in OPERATIONS])
def test_every_answer_is_one_that_the_document_names(operation, who, world):
    modes = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    headers = credentials(world, who)

    @search(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*modes), real=st.booleans())
    def ask(case, real: bool) -> None:
        if real:
            with_real_ids(case, world)
        case.headers = {**(case.headers or {}), **headers}
        if who == "anonymous":
            case.headers.pop("Authorization", None)
        with transaction.atomic():
            answer = case.call(app=application, base_url="http://localhost")
            transaction.set_rollback(True)
        case.validate_response(answer, checks=[not_a_server_error, status_code_conformance])

    ask()
