"""Accounts: admins manage them, nobody can promote themselves."""

import pytest
from django.contrib.auth.hashers import identify_hasher, make_password
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import AuditEvent, User
from mediscan_site.core.services import create_user, make_reset_link, set_password, update_user
from tests.conftest import PASSWORD, make_user

pytestmark = pytest.mark.django_db
USERS = "/api/v1/users/"
GOOD = "a long enough passphrase"


def test_an_admin_makes_an_account_that_can_sign_in(api, admin):
    response = api(admin).post(USERS, {"username": "dr001", "password": GOOD, "role": "doctor"}, format="json")
    assert response.status_code == 201
    assert response.json()["username"] == "dr001"
    assert "password" not in response.json()
    assert User.objects.get(username="dr001").check_password(GOOD)
    assert AuditEvent.objects.get(action="user.create").details == {"username": "dr001", "role": "doctor"}


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({}, "username"),
        ({"username": "bad name!"}, "username"),
        ({"username": "ADMIN"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"username": "dr", "password": "short"}, "password"),
        ({"username": "dr", "password": "123456789012345"}, "password"),
        ({"username": "dr", "role": "king"}, "role"),
        ({"username": "dr", "email": "nowhere"}, "email"),
    ],
)
def test_a_bad_account_is_400_names_the_field_and_leaves_nothing(api, admin, body, attr):
    response = api(admin).post(USERS, body, format="json")
    assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, attr)
    assert User.objects.count() == 1


@pytest.mark.parametrize("value", [True, "true", 1])
def test_flags_in_the_body_are_refused(api, admin, outsider, value):
    body = {"is_staff": value, "is_superuser": value, "groups": [1], "user_permissions": [1], "email": "x@y.example"}
    answer = api(admin).patch(f"{USERS}{outsider.pk}/", body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "read_only_field")
    outsider.refresh_from_db()
    assert (outsider.is_staff, outsider.is_superuser, outsider.role) == (False, False, "doctor")
    assert outsider.email != "x@y.example"


def test_a_doctor_cannot_change_accounts_not_even_his_own(api, outsider, admin):
    client = api(outsider)
    assert client.patch(f"{USERS}{outsider.pk}/", {"role": "admin"}, format="json").status_code == 403
    assert client.patch(f"{USERS}{admin.pk}/", {"role": "doctor"}, format="json").status_code == 404
    assert client.get(USERS).status_code == 403
    assert client.get(f"{USERS}{outsider.pk}/").status_code == 200
    outsider.refresh_from_db()
    assert outsider.role == "doctor"


def test_the_flags_follow_the_role(admin, outsider):
    user = update_user(actor=admin, user=outsider, changes={"role": "admin"})
    assert (user.is_staff, user.is_superuser) == (True, True)
    user = update_user(actor=admin, user=outsider, changes={"role": "doctor"})
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_the_database_refuses_flags_that_do_not_follow_the_role(outsider):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=outsider.pk).update(is_superuser=True)


@pytest.mark.parametrize("changes", [{"is_active": False}, {"role": "doctor"}])
def test_the_last_active_admin_stays(admin, changes):
    with pytest.raises(Conflict) as caught:
        update_user(actor=admin, user=admin, changes=changes)
    assert caught.value.code == "last_admin"
    admin.refresh_from_db()
    assert admin.is_admin


def test_one_of_two_admins_may_go(admin):
    other = make_user("second", role="admin")
    assert not update_user(actor=admin, user=other, changes={"is_active": False}).is_active


def test_only_oneself_sets_a_password(admin, outsider):
    with pytest.raises(Forbidden):
        set_password(actor=admin, user=outsider, password=GOOD)
    with pytest.raises(Invalid):
        set_password(actor=outsider, user=outsider, password="short")
    assert set_password(actor=outsider, user=outsider, password=GOOD).check_password(GOOD)


def test_a_doctor_cannot_use_the_services_of_admins(outsider):
    with pytest.raises(Forbidden):
        create_user(actor=outsider, username="x")
    with pytest.raises(Forbidden):
        make_reset_link(actor=outsider, user=outsider, base_url="http://site.example")


def test_an_admin_hands_over_a_link_that_sets_a_password_once(api, admin, outsider, client):
    response = api(admin).post(f"{USERS}{outsider.pk}/reset-link/")
    assert response.status_code == 201
    path = response.json()["link"].removeprefix("http://testserver")
    form = client.get(path, follow=True)
    where = form.redirect_chain[-1][0]
    done = client.post(where, {"new_password1": GOOD, "new_password2": GOOD})
    assert done.status_code == 302
    outsider.refresh_from_db()
    assert outsider.check_password(GOOD)
    assert "new_password1" not in client.get(path, follow=True).content.decode()


def test_service_tokens_are_made_listed_and_revoked_by_their_owner(api, outsider, author):
    client, address = api(outsider), f"{USERS}{outsider.pk}/tokens/"
    made = client.post(address, {"name": "bridge", "scopes": ["read"]}, format="json")
    assert made.status_code == 201
    assert made.json()["token"].startswith("ms_")
    (listed,) = client.get(address).json()["results"]
    assert "token" not in listed
    assert api(author).get(address).status_code == 404
    assert api(author).delete(f"{address}{listed['id']}/").status_code == 404
    assert client.delete(f"{address}{listed['id']}/").status_code == 204
    assert client.get(address).json()["results"][0]["revoked_at"]


def test_an_answer_with_a_secret_is_never_stored_for_replay(api, outsider):
    response = api(outsider).post(
        f"{USERS}{outsider.pk}/tokens/", {"name": "x", "scopes": ["read"]}, format="json", HTTP_IDEMPOTENCY_KEY="k"
    )
    assert response.status_code == 400
    assert not outsider.service_tokens.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": " "},
        {"scopes": []},
        {"scopes": None},
        {"scopes": ["everything"]},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00Z"},
        {"expires_at": None},
    ],
)
def test_a_bad_service_token_is_400(api, outsider, wrong):
    body = {"name": "x", "scopes": ["read"], **wrong}
    assert api(outsider).post(f"{USERS}{outsider.pk}/tokens/", body, format="json").status_code == 400


def test_the_shell_makes_an_account_from_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("MEDISCAN_PASSWORD", GOOD)
    call_command("create_user", "chief", "--role", "admin")
    assert "Created admin chief" in capsys.readouterr().out
    assert User.objects.get(username="chief").is_admin


def test_the_shell_refuses_a_weak_password_and_names_the_field(monkeypatch):
    monkeypatch.setenv("MEDISCAN_PASSWORD", "short")
    with pytest.raises(CommandError, match="password:"):
        call_command("create_user", "chief")
    assert not User.objects.exists()


def test_passwords_are_argon2id_in_owasps_size(settings):
    settings.PASSWORD_HASHERS = ["mediscan_site.core.hashers.Argon2Hasher"]
    encoded = make_password(PASSWORD)
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert identify_hasher(encoded).verify(PASSWORD, encoded)
