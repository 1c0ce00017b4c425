"""A look at a version: the figures of each place against the reference, on request, by night and from the shell."""

import io

import pytest
from django.core.management import CommandError, call_command

from mediscan_site.core.errors import NotFound
from models_registry.models import Watch
from models_registry.tasks import watch
from models_registry.watch import services, worker
from tests.models_registry.watch.conftest import SITE
from tests.models_registry.watch.test_streams import foreign, usual

pytestmark = pytest.mark.django_db


@pytest.fixture
def looked(watched, graded, admin):
    graded(usual(20))
    graded(foreign(8), site="Sother", decision="refer")
    row = services.request_watch(actor=admin, model=watched)
    worker.run_watch(row.pk)
    row.refresh_from_db()
    assert row.status == "succeeded", row.error
    return row


def test_each_place_is_set_against_the_reference(looked):
    here, other = looked.result["sites"]
    assert (here["site"], here["n"], other["site"], other["n"]) == (SITE, 20, "Sother", 8)
    assert looked.result["reference"]["n"] == 200
    assert 0.3 < here["distance"]["above"] < 0.7
    assert other["distance"]["above"] == 1.0
    assert (here["referred"]["value"], other["referred"]["value"]) == (0.0, 1.0)
    assert sum(share["value"] for share in here["classes"].values()) == pytest.approx(1.0)
    assert (other["stream"]["seen"], other["days"][0]["n"]) == (8, 8)


def test_an_outsider_cannot_ask_for_one(watched, outsider):
    with pytest.raises(NotFound):
        services.request_watch(actor=outsider, model=watched)


def test_one_that_is_under_way_is_not_asked_for_twice(watched, admin, author):
    assert services.request_watch(actor=admin, model=watched) == services.request_watch(actor=author, model=watched)


def test_the_nightly_call_asks_for_a_look_at_what_is_deployed(watched):
    watch(0)
    watch(0)
    assert [(row.model_id, row.created_by) for row in Watch.objects.all()] == [(watched.pk, None)]


def test_a_look_through_the_api(looked, api, author, watched):
    asked = api(author).post("/api/v1/watches/", {"model": watched.code}, format="json")
    assert asked.status_code == 202
    assert asked["Location"].endswith(f"/api/v1/watches/{asked.json()['id']}/")
    shown = api(author).get(f"/api/v1/watches/{looked.pk}/").json()
    assert shown["result"]["sites"][1]["n"] == 8
    listed = api(author).get("/api/v1/watches/?status=succeeded").json()["results"]
    assert listed[0]["result"] == {"n": 28}


def test_a_look_from_the_shell(watched, graded, admin):
    graded(foreign(8))
    out = io.StringIO()
    with pytest.raises(CommandError, match="An alarm is open") as ended:
        call_command("watch_grades", watched.code, actor="admin", stdout=out)
    assert ended.value.returncode == 1
    assert "8 grades" in out.getvalue()


def test_the_shell_says_what_is_wrong(watched):
    with pytest.raises(CommandError):
        call_command("watch_grades", "model999", actor="admin")
