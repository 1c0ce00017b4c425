"""User names: one whatever the case of their letters, by the database's own word."""

import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User
from mediscan_site.core.names import name_key
from mediscan_site.core.services import create_user, update_user
from tests.conftest import PASSWORD, PATIENCE_S, make_user

SAME = [("Dr001", "dr001"), ("STRASSE", "straße"), ("Ärztin", "ärztin"), ("Ⅳ.dr", "iv.dr"), ("ﬁona", "FIONA")]


@pytest.mark.django_db
@pytest.mark.parametrize(("first", "second"), SAME)
def test_names_that_differ_in_case_or_form_are_one(first, second):
    create_user(actor=None, username=first)
    with pytest.raises(Invalid, match="taken"):
        create_user(actor=None, username=second)
    with pytest.raises(IntegrityError), transaction.atomic():
        User(username=second).save()
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_name_may_be_changed_in_its_case_but_not_to_anothers(admin):
    user = create_user(actor=admin, username="dr001")
    assert update_user(actor=admin, user=user, changes={"username": "DR001"}).username == "DR001"
    with pytest.raises(Invalid):
        update_user(actor=admin, user=user, changes={"username": "Admin"})
    user.refresh_from_db()
    assert (user.username, user.username_key) == ("DR001", "dr001")


@pytest.mark.django_db
def test_any_case_logs_in_and_names_an_account(api, client, project, admin):
    make_user("Dr001")
    for typed in ("dr001", "DR001", " Dr001 "):
        answer = APIClient().post("/api/v1/auth/token/", {"username": typed, "password": PASSWORD}, format="json")
        assert answer.status_code == 200, typed
        assert client.post("/login/", {"username": typed, "password": PASSWORD}).status_code == 302
        client.logout()
    added = api(admin).post(f"/api/v1/projects/{project.pk}/members/", {"user": "DR001"}, format="json")
    assert added.status_code == 201, added.content


@pytest.mark.django_db
def test_the_longest_name_has_room_for_its_key():
    longest = "ß" * 150
    assert len(name_key(longest)) == 255 and name_key(longest) != name_key("ß" * 149 + "x")
    assert name_key(longest.upper()) == name_key(longest)
    assert create_user(actor=None, username=longest).username_key == name_key(longest)


@pytest.mark.django_db(transaction=True)
def test_of_names_made_at_the_same_moment_one_wins_and_the_others_are_400(api, admin):
    names, answers, start = ["dr007", "DR007", "Dr007", "dR007"], [], threading.Barrier(4)

    def make(name: str, client: APIClient) -> None:
        try:
            start.wait(PATIENCE_S)
            answers.append(client.post("/api/v1/users/", {"username": name}, format="json").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(name, api(admin))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(answers) == [201, 400, 400, 400]
    assert User.objects.filter(username_key="dr007").count() == 1


def test_the_migration_refuses_names_that_are_one_with_the_remedy_and_goes_on_without(tmp_path):
    env = {
        **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
        **dict.fromkeys(("DATABASE_URL", "PUBLIC_URL", "MEDIA_STORAGE_URL", "DEBUG", "BACKUP_DIR"), ""),
        "MEDISCAN_DATA_DIR": str(tmp_path / "data"),
        "MEDISCAN_KEYS_FILE": str(tmp_path / "keys.json"),
    }

    def migrate(*target: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", "migrate", "-v0", *target]
        return subprocess.run(
            command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    assert migrate("core", "0003").returncode == 0
    with sqlite3.connect(tmp_path / "data" / "db.sqlite3") as database:
        for name in ("Dr001", "dr001", "Ä.b"):
            database.execute(
                "insert into core_user (username, password, email, role, is_active, is_staff, is_superuser, first_name,"
                " last_name, date_joined) values (?, '', '', 'doctor', 1, 0, 0, '', '', '2026-01-01')",
                [name],
            )
    refused = migrate()
    assert refused.returncode != 0
    assert "Dr001 (id 1) and dr001 (id 2)" in refused.stderr and "Rename" in refused.stderr
    with sqlite3.connect(tmp_path / "data" / "db.sqlite3") as database:
        assert "username_key" not in str(database.execute("select sql from sqlite_master").fetchall())
        database.execute("update core_user set username = 'other' where id = 2")
    done = migrate()
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "data" / "db.sqlite3") as database:
        keys = {row[0] for row in database.execute("select username_key from core_user")}
    assert keys == {"dr001", "other", "ä.b"}
