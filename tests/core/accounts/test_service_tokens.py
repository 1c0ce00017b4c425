"""Service tokens: what each is for, when it ends, and whose hand it is in four-eyes and in the trail."""

import io
import zipfile
from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.imports import worker
from labeling.models import Import, Label
from labeling.reading.labels import label_scan
from labeling.reading.queue import queue_of
from labeling.reading.reviews import review_scan
from mediscan_site.core import work
from mediscan_site.core.errors import FourEyes
from mediscan_site.core.http.context import UsedToken, current_context, use_token
from mediscan_site.core.models import AuditEvent, ServiceToken, TokenWork
from mediscan_site.core.scopes import Scope
from mediscan_site.core.selectors import ending_tokens
from mediscan_site.core.services import issue_service_token, set_password, update_user
from mediscan_site.front.token_scopes import READS, WRITES, needed
from tests.conftest import scan_bytes
from tests.permissions.test_matrix import routes

pytestmark = pytest.mark.django_db
ME = "/api/v1/users/me/"


def zipped(seed: int = 1) -> SimpleUploadedFile:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made_of:
        made_of.writestr("NORMAL/a.jpg", scan_bytes(seed))
    return SimpleUploadedFile("many.zip", packed.getvalue())


def machine(raw: str) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Token {raw}")


def code(response) -> str:
    return response.json()["errors"][0]["code"]


def made(user, actor=None, scopes=tuple(Scope.values), **more):
    return issue_service_token(actor=actor or user, user=user, name="bridge", scopes=scopes, **more)


def test_a_token_ends_with_the_password_of_its_account(author, admin):
    (token, raw), (_, others) = made(author), made(admin)
    assert machine(raw).get(ME).status_code == 200
    set_password(actor=author, user=author, password="another correct horse")
    assert machine(raw).get(ME).status_code == 401
    assert machine(others).get(ME).status_code == 200
    token.refresh_from_db()
    assert token.revoked_at
    event = AuditEvent.objects.get(action="token.revoke", object_id=str(token.pk))
    assert event.details == {"user": author.pk, "because": "password"}


def test_a_token_ends_whichever_door_the_password_went_through(author):
    _, raw = made(author)
    author.set_password("changed by Django's own command")
    author.save()
    assert machine(raw).get(ME).status_code == 401


@pytest.mark.parametrize("changes", [{"role": "admin"}, {"is_active": False}])
def test_a_token_ends_with_the_role_and_the_account_for_good(author, admin, changes):
    _, raw = made(author)
    update_user(actor=admin, user=author, changes=changes)
    update_user(actor=admin, user=author, changes={"role": "doctor", "is_active": True})
    assert machine(raw).get(ME).status_code == 401


def test_a_token_manages_no_tokens_accounts_or_passwords(admin, author):
    token, raw = made(admin)
    client, users = machine(raw), "/api/v1/users/"
    own = f"{users}{admin.pk}/"
    answers = [
        client.get(users),
        client.get(own),
        client.post(users, {"username": "mallory"}, format="json"),
        client.patch(own, {"email": "m@x.example"}, format="json"),
        client.get(f"{own}tokens/"),
        client.post(f"{own}tokens/", {"name": "two", "scopes": ["read"]}, format="json"),
        client.delete(f"{own}tokens/{token.pk}/"),
        client.post(f"{users}{author.pk}/reset-link/"),
    ]
    assert [(a.status_code, code(a)) for a in answers] == [(403, "token_scope")] * len(answers)
    assert client.get(ME).status_code == 200


def test_a_token_lasts_a_year_unless_it_says_otherwise(author):
    token, _ = made(author)
    assert timedelta(days=364) < token.expires_at - timezone.now() < timedelta(days=366)


def test_people_are_reminded_a_month_before_a_token_ends(author, admin, colleague, client):
    token, _ = made(author, actor=admin)
    assert ending_tokens(author) == []
    with time_machine.travel(token.expires_at - timedelta(days=29)):
        assert ending_tokens(author) == ending_tokens(admin) == [token]
        assert ending_tokens(colleague) == []
        client.force_login(author)
        assert f"{token.expires_at:%Y-%m-%d}. Make a new one" in client.get("/").content.decode()


def test_every_route_of_the_api_says_which_scope_it_needs():
    written, read = set(), set()
    for _, pattern in routes(get_resolver().url_patterns):
        view = pattern.callback
        for method in getattr(view, "actions", None) or {}:
            (read if method in ("get", "head") else written).add(pattern.name)
    assert written == set(WRITES)
    assert set(READS) - {"metrics"} <= read


def test_the_document_has_a_row_for_every_scope_in_their_order():
    wanted = [f"| `{scope.value}` | {scope.label} |" for scope in Scope]
    rows = [line for line in (settings.BASE_DIR / "docs" / "integrating.md").read_text().splitlines() if line in wanted]
    assert rows == wanted, "\n".join(wanted)


@pytest.mark.parametrize("scope", Scope.values)
def test_a_token_does_what_it_was_made_for_and_nothing_else(author, colleague, make_scan, project, scope):
    scan = make_scan(label="NORMAL")
    client = machine(made(colleague, scopes=[scope])[1])
    calls = {
        "read": client.get(f"/api/v1/images/{scan.code}/"),
        "upload": client.patch(f"/api/v1/images/{scan.code}/", {"modality": "CT"}, format="json"),
        "label": client.post("/api/v1/queue/release/", {"project": project.pk}, format="json"),
        "review": client.post("/api/v1/reviews/", {"image": scan.code, "status": "approved"}, format="json"),
        "grade": client.post("/api/v1/grades/", {"image": scan.code}, format="json"),
        "train": client.post("/api/v1/datasets/", {"project": project.pk}, format="json"),
        "export": client.post("/api/v1/exports/", {"project": project.pk}, format="json"),
        "manage": client.delete(f"/api/v1/images/{scan.code}/"),
    }
    refused = {name for name, answer in calls.items() if answer.status_code == 403 and code(answer) == "token_scope"}
    assert refused == set(calls) - {scope}
    assert needed("no-such-route", "POST") is None


def test_the_refusal_names_what_is_needed(author, make_scan):
    scan = make_scan()
    answer = machine(made(author, scopes=["read"])[1]).post("/api/v1/labels/", {"image": scan.code, "label": "NORMAL"})
    assert "this needs label" in answer.json()["errors"][0]["detail"]


def test_the_trail_names_the_token_of_what_was_done_with_it(author, make_scan, api):
    token, raw = made(author)
    scan = make_scan()
    machine(raw).post("/api/v1/labels/", {"image": scan.code, "label": "NORMAL"}, format="json")
    assert AuditEvent.objects.get(action="label.create").details["token"] == {"id": token.pk, "name": "bridge"}
    api(author).post("/api/v1/labels/", {"image": scan.code, "label": "OPACITY"}, format="json")
    assert "token" not in AuditEvent.objects.filter(action="label.create").latest("id").details


def test_the_trail_names_the_token_of_work_that_was_asked_for_with_it(author, admin, project, api):
    token, raw = made(author, actor=admin)
    answer = machine(raw).post("/api/v1/imports/", {"project": project.pk, "file": zipped()})
    batch = Import.objects.get(pk=answer.json()["id"])
    assert TokenWork.objects.get(row=batch.pk).token == token
    worker.run(batch.pk)
    assert AuditEvent.objects.get(action="import.finish").details["token"]["id"] == token.pk
    assert {label.through for label in Label.objects.all()} == {admin}
    # The next work was asked for by a person.
    answer = api(author).post("/api/v1/imports/", {"project": project.pk, "file": zipped(seed=90)})
    worker.run(answer.json()["id"])
    assert "token" not in AuditEvent.objects.filter(action="import.finish").latest("id").details


def test_a_task_leaves_no_token_to_the_next():
    seen = []

    def leaves(pk: int) -> None:
        use_token(UsedToken(pk, "bridge", None))
        seen.append(current_context().token)

    work.durable_task(name="test.leaves", queue="io", soft_limit_s=9)(leaves)(1)
    assert seen == [UsedToken(1, "bridge", None)]
    assert current_context().token is None


def approve(raw: str, scan):
    return machine(raw).post("/api/v1/reviews/", {"image": scan.code, "status": "approved"}, format="json")


def test_who_made_a_token_does_not_approve_what_was_labelled_with_it(author, admin, colleague, make_scan):
    scan = make_scan()
    _, raw = made(author, actor=admin)
    machine(raw).post("/api/v1/labels/", {"image": scan.code, "label": "NORMAL"}, format="json")
    assert [queue_of(user=user, project=scan.project, task="review").number for user in (admin, colleague)] == [0, 1]
    with pytest.raises(FourEyes):
        review_scan(actor=admin, image=scan, status="approved")
    with pytest.raises(FourEyes):
        review_scan(actor=author, image=scan, status="approved")
    timeline = APIClient()
    timeline.force_login(admin)
    assert "with a service token that admin made" in timeline.get(f"/scans/{scan.pk}/timeline/").content.decode()
    # Nor by another token that the same person made for somebody else.
    refused = approve(made(colleague, actor=admin)[1], scan)
    assert (refused.status_code, code(refused)) == (403, "four_eyes")
    assert review_scan(actor=colleague, image=scan, status="approved")


def test_a_token_does_not_approve_what_its_maker_labelled(author, admin, colleague, make_scan):
    scan = make_scan()
    label_scan(actor=admin, image=scan, label_class=scan.project.class_rows.get(name="NORMAL"))
    refused = approve(made(colleague, actor=admin)[1], scan)
    assert (refused.status_code, code(refused)) == (403, "four_eyes")
    assert approve(made(colleague)[1], scan).status_code == 201


def test_tokens_from_before_go_on_until_a_year_from_now(author, admin):
    never, _ = made(author, actor=admin)
    far = timezone.now() + timedelta(days=9000)
    ServiceToken.objects.update(scopes=[], password_mark="", made_by=None, expires_at=far)
    import_module("mediscan_site.core.migrations.0010_tokens_end").complete(apps, None)
    never.refresh_from_db()
    assert never.scopes == Scope.values
    assert never.made_by == admin
    assert never.expires_at < timezone.now() + timedelta(days=731)
