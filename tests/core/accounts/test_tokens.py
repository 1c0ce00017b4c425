"""Log-in, refresh, log-out, service tokens: each token is valid for its purpose only, and ends when it must."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.core.checks import run_checks
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from mediscan_site.core import auth
from mediscan_site.core.models import AuditEvent, ServiceToken
from mediscan_site.core.services import issue_service_token, revoke_service_token, set_password, update_user
from tests.conftest import PASSWORD, PATIENCE_S, make_user

ME = "/api/v1/users/me/"


def obtain(name, password=PASSWORD):
    return APIClient().post("/api/v1/auth/token/", {"username": name, "password": password}, format="json")


def refresh(token):
    return APIClient().post("/api/v1/auth/token/refresh/", {"refresh": token}, format="json")


def me(access, scheme="Bearer"):
    return APIClient().get(ME, HTTP_AUTHORIZATION=f"{scheme} {access}")


def code(response):
    return response.json()["errors"][0]["code"]


@pytest.mark.django_db
def test_a_name_and_password_give_a_pair_and_the_log_in_is_audited(author):
    pair = obtain("author").json()
    assert set(pair) == {"access", "refresh"}
    assert me(pair["access"]).json()["username"] == "author"
    assert AuditEvent.objects.filter(action="login", actor=author).count() == 1


@pytest.mark.django_db
def test_wrong_password_unknown_name_and_inactive_account_get_the_same_401(author, inactive):
    answers = [obtain("author", "wrong"), obtain("nobody"), obtain("inactive")]
    assert [a.status_code for a in answers] == [401, 401, 401]
    assert len({a.content for a in answers}) == 1
    assert all(a["WWW-Authenticate"].startswith("Bearer") for a in answers)
    assert AuditEvent.objects.filter(action="login.failed").count() == 3


@pytest.mark.django_db
def test_a_failed_log_in_never_writes_down_what_was_typed_as_a_name(author):
    obtain("my secret password", "author")
    assert AuditEvent.objects.get(action="login.failed").actor_name == ""


@pytest.mark.django_db
def test_no_token_text_is_kept_in_the_database(author):
    pair = obtain("author").json()
    refresh(pair["refresh"])
    assert set(OutstandingToken.objects.values_list("token", flat=True)) == {""}


@pytest.mark.django_db
def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_family(author):
    first = obtain("author").json()
    second = refresh(first["refresh"])
    assert second.status_code == 200
    assert me(second.json()["access"]).status_code == 200
    with time_machine.travel(timezone.now() + auth.RACE + timedelta(seconds=1)):
        replay = refresh(first["refresh"])
    assert (replay.status_code, code(replay)) == (401, "token_not_valid")
    assert refresh(second.json()["refresh"]).status_code == 401
    assert me(second.json()["access"]).status_code == 401


@pytest.mark.django_db
def test_the_end_of_one_family_leaves_another_log_in_alone(author):
    one, other = obtain("author").json(), obtain("author").json()
    refresh(one["refresh"])
    with time_machine.travel(timezone.now() + auth.RACE + timedelta(seconds=1)):
        refresh(one["refresh"])
    assert me(one["access"]).status_code == 401
    assert me(other["access"]).status_code == 200
    assert refresh(other["refresh"]).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_six_parallel_refreshes_of_one_token_give_exactly_one_success(round_, monkeypatch):
    monkeypatch.setattr(auth, "RACE", timedelta(seconds=PATIENCE_S))
    user = make_user("racer")
    token = auth.token_pair(user)["refresh"]
    answers, barrier = [], threading.Barrier(6)

    def race():
        try:
            barrier.wait()
            answers.append(refresh(token))
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert me(winner["access"]).status_code == 200
    assert refresh(winner["refresh"]).status_code == 200


@pytest.mark.django_db
def test_log_out_ends_the_refresh_and_the_access_token(author):
    pair = obtain("author").json()
    response = APIClient().post("/api/v1/auth/logout/", {"refresh": pair["refresh"]}, format="json")
    assert response.status_code == 204
    assert refresh(pair["refresh"]).status_code == 401
    assert me(pair["access"]).status_code == 401
    assert AuditEvent.objects.filter(action="logout", actor=author).count() == 1


@pytest.mark.django_db
def test_a_changed_password_ends_every_token(author):
    pair = obtain("author").json()
    set_password(actor=author, user=author, password="another long passphrase")
    assert me(pair["access"]).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401


@pytest.mark.django_db
def test_a_deactivated_account_is_refused_at_its_next_request(admin, author):
    pair = obtain("author").json()
    update_user(actor=admin, user=author, changes={"is_active": False})
    assert me(pair["access"]).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401


@pytest.mark.django_db
def test_tokens_run_out(author):
    pair = obtain("author").json()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert me(pair["access"]).status_code == 401
        assert refresh(pair["refresh"]).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert refresh(pair["refresh"]).status_code == 401


@pytest.mark.django_db
def test_a_token_of_the_wrong_kind_or_make_is_401(author):
    import jwt
    from django.conf import settings

    pair = obtain("author").json()
    assert me(pair["refresh"]).status_code == 401
    assert refresh(pair["access"]).status_code == 401
    claims = jwt.decode(pair["access"], options={"verify_signature": False})
    key = settings.SIMPLE_JWT["SIGNING_KEY"]
    forged = [
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "another key of thirty-two characters", algorithm="HS256"),
        jwt.encode({**claims, "aud": "other"}, key, algorithm="HS256"),
        jwt.encode({**claims, "user_id": "999999"}, key, algorithm="HS256"),
        "",
        "a b",
        "ä",
    ]
    for token in forged:
        response = me(token)
        assert response.status_code == 401, token
        assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
@pytest.mark.parametrize("body", [{}, {"refresh": ""}, {"refresh": 3.5}, {"refresh": None}, {"refresh": "x" * 5000}])
def test_a_refresh_without_a_usable_token_is_400_or_401(db, body):
    assert APIClient().post("/api/v1/auth/token/refresh/", body, format="json").status_code in {400, 401}


@pytest.mark.django_db
def test_five_wrong_passwords_lock_name_and_address_for_a_quarter_of_an_hour(author):
    for _ in range(5):
        answer = obtain("author", "wrong")
    assert answer.status_code == 429
    locked = obtain("author")
    assert (locked.status_code, code(locked)) == (429, "locked_out")
    assert int(locked["Retry-After"]) == 900
    assert obtain("admin").status_code in {200, 401}
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert obtain("author").status_code == 200


@pytest.mark.django_db
def test_a_rotating_x_forwarded_for_does_not_escape_the_lock(author):
    for number in range(6):
        answer = APIClient().post(
            "/api/v1/auth/token/",
            {"username": "author", "password": "wrong"},
            format="json",
            HTTP_X_FORWARDED_FOR=f"10.0.0.{number}",
        )
    assert answer.status_code == 429


@pytest.mark.django_db
def test_a_service_token_acts_as_its_account_until_it_is_revoked(author):
    token, raw = issue_service_token(actor=author, user=author, name="PACS bridge")
    assert raw.startswith("ms_")
    assert raw not in str(ServiceToken.objects.values_list())
    assert me(raw, "Token").json()["username"] == "author"
    assert me(raw).status_code == 401
    revoke_service_token(actor=author, token=token)
    assert me(raw, "Token").status_code == 401


@pytest.mark.django_db
def test_a_service_token_ends_with_its_expiry_and_with_its_account(admin, author):
    soon = timezone.now() + timedelta(hours=1)
    _, raw = issue_service_token(actor=author, user=author, name="x", expires_at=soon)
    with time_machine.travel(soon + timedelta(seconds=1)):
        assert me(raw, "Token").status_code == 401
    update_user(actor=admin, user=author, changes={"is_active": False})
    assert me(raw, "Token").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Token", "Token a b", "Token nothing", "Token ä"])
def test_a_bad_service_token_header_is_401(header):
    assert APIClient().get(ME, HTTP_AUTHORIZATION=header).status_code == 401


def test_the_system_checks_are_clean_and_miss_nothing_silent(settings):
    settings.EMBEDDED = True
    assert run_checks(tags=["mediscan"]) == []
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "CHECK_REVOKE_TOKEN": False}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60}
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if not a.endswith("token_blacklist")]
    ids = {message.id for message in run_checks(tags=["mediscan"])}
    assert ids == {"mediscan.E001", "mediscan.E002", "mediscan.E004"}
