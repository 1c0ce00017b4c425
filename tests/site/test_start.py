"""The site starts with what it needs, or says what is missing and what to do about it."""

import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from django.conf import settings

from mediscan_site.core.storage.keys import KeyRing
from tests.conftest import PATIENCE_S

ROOT = Path(settings.BASE_DIR)
EVERYWHERE = ".".join("0000")
REAL_SECRET = "kZ3vQ9" * 10
Start = Callable[..., "CompletedProcess[str]"]


def manage(*command: str, **environment: str) -> "CompletedProcess[str]":
    """`manage.py` as a shell would run it: with this environment and nothing of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    # Set but empty: a developer's own .env must not answer for the test.
    unset = dict.fromkeys(
        (
            "BIND",
            "TLS",
            "TLS_CERT",
            "TLS_KEY",
            "TRUSTED_PROXIES",
            "CELERY_BROKER_URL",
            "MLFLOW_TRACKING_URI",
            "EMAIL_URL",
        ),
        "",
    ) | dict.fromkeys(("DATABASE_URL", "SECRET_KEY", "ALLOWED_HOSTS", "PUBLIC_URL", "DEBUG", "MEDIA_STORAGE_URL"), "")
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**kept, **unset, "DJANGO_SETTINGS_MODULE": "mediscan_site.settings", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def start(tmp_path):
    """`start(NAME=value, …)`: `manage.py check` of a site outside the embedded mode that lacks nothing else."""
    KeyRing.create(tmp_path / "keys.json")
    complete = {
        "HOME": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "MEDISCAN_DATA_DIR": str(tmp_path / "data"),
        "MEDISCAN_KEYS_FILE": str(tmp_path / "keys.json"),
        "SECRET_KEY": REAL_SECRET,
        "ALLOWED_HOSTS": "mediscan.hospital.example",
    }

    def run(**changed: str) -> "CompletedProcess[str]":
        if changed.get("DATABASE_URL", "").startswith("mysql:"):
            pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")
        return manage("check", **{**complete, **changed})

    return run


def test_a_site_that_lacks_nothing_starts(start):
    done = start(PUBLIC_URL="https://mediscan.hospital.example", TRUSTED_PROXIES="1")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"SECRET_KEY": ""}, "secrets.token_urlsafe(64)"),
        ({"SECRET_KEY": "tooshort"}, "secrets.token_urlsafe(64)"),
        ({"SECRET_KEY": "django-insecure-" + "a8" * 40}, "secrets.token_urlsafe(64)"),
        ({"SECRET_KEY": "change-me-" + "a8" * 40}, "secrets.token_urlsafe(64)"),
        ({"ALLOWED_HOSTS": ""}, "List the host names"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS may not be '*'"),
        ({"ALLOWED_HOSTS": "a.example,*"}, "ALLOWED_HOSTS may not be '*'"),
        ({"DEBUG": "true"}, "Set DEBUG=false"),
        ({"TRAINING_DEVICE": "gpu"}, "TRAINING_DEVICE must be auto or cpu or cuda, not 'gpu'"),
        ({"DEBUG": "perhaps"}, "DEBUG must be true or false"),
        ({"PUBLIC_URL": "mediscan.example"}, "PUBLIC_URL must be like https://"),
        ({"MEDIA_STORAGE_URL": "ftp://somewhere/else"}, "MEDIA_STORAGE_URL must be file:///folder or s3://bucket"),
        ({"MEDIA_STORAGE_URL": "s3://"}, "MEDIA_STORAGE_URL must be file:///folder or s3://bucket"),
        ({"MEDIA_STORAGE_URL": f"file://{ROOT}/blobs"}, "MEDIA_STORAGE_URL"),
        ({"DATABASE_URL": "mongodb://db.example/x"}, "DATABASE_URL must start with mysql://"),
        ({"MEDISCAN_DATA_DIR": str(ROOT / "data")}, "MEDISCAN_DATA_DIR"),
        ({"MEDISCAN_DATA_DIR": "/dev/null/data"}, "MEDISCAN_DATA_DIR"),
        ({"MEDISCAN_KEYS_FILE": str(ROOT / "keys.json")}, "MEDISCAN_KEYS_FILE"),
        ({"PORT": "eighty"}, "PORT must be a whole number"),
        ({"BACKUP_DIR": "/srv/backup"}, "Run age-keygen on another machine"),
        ({"BACKUP_DIR": "/srv/backup", "BACKUP_RECIPIENTS": "ssh-ed25519 AAAA"}, "is not an age recipient"),
        ({"BACKUP_DIR": str(ROOT / "backups")}, "inside the checkout"),
        ({"BIND": EVERYWHERE}, "set TLS=1"),
        ({"BIND": "::"}, "PUBLIC_URL=https://"),
        ({"BIND": "192.0.2.7", "PUBLIC_URL": "https://a.example"}, "TRUSTED_PROXIES=1"),
        ({"BIND": EVERYWHERE, "PUBLIC_URL": "http://a.example", "TRUSTED_PROXIES": "1"}, "lets other machines in"),
        ({"BIND": "127.0.0.1:8799"}, "Set BIND=127.0.0.1 and PORT=8799."),
        ({"BIND": "[::1]:8799", "TLS": "1"}, "Set BIND=[::1] and PORT=8799."),
        ({"TLS": "1", "PUBLIC_URL": "http://a.example"}, "PUBLIC_URL must start with https://"),
        ({"TLS_CERT": "/etc/ssl/a.pem"}, "TLS_CERT and TLS_KEY must be set together"),
        ({"TLS": "perhaps"}, "TLS must be true or false"),
        ({"CELERY_BROKER_URL": "rediss://r.example/0?ssl_ca_certs=/none"}, "ssl_ca_certs=/none cannot be read"),
        ({"DATABASE_URL": "mysql://db.example/x?ssl_ca=/none"}, "ssl_ca=/none cannot be read"),
        ({"BACKUP_HOUR": "24"}, "BACKUP_HOUR must be an hour from 0 to 23"),
    ],
    ids=lambda value: ",".join(f"{key}={text[:24]}" for key, text in value.items()) if isinstance(value, dict) else "",
)
def test_what_is_missing_or_wrong_stops_the_start_with_its_remedy(start, changed, remedy):
    done = start(**changed)
    assert done.returncode == 1
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr
    assert not (ROOT / "data").exists()


@pytest.mark.parametrize(
    "covered",
    [
        {"BIND": EVERYWHERE, "TLS": "1"},
        {"BIND": "::", "PUBLIC_URL": "https://a.example", "TRUSTED_PROXIES": "1"},
        {"BIND": "127.0.0.2"},
        {"BIND": "localhost"},
    ],
    ids=str,
)
def test_other_machines_are_let_in_where_tls_covers_them(start, covered):
    done = start(**covered)
    assert done.returncode == 0, done.stderr


CLEAR = {
    "DATABASE_URL": "postgres://u:hush@db.example/x",
    "CELERY_BROKER_URL": "redis://:hush@redis.example:6379/0",
    "MLFLOW_TRACKING_URI": "http://mlflow.example:5000",
    "EMAIL_URL": "smtp://u:hush@mail.example:25",
}
PROXY = {"PUBLIC_URL": "https://a.example", "TRUSTED_PROXIES": "1"}


def test_what_goes_to_other_hosts_in_clear_text_is_named_at_the_start_with_its_remedy(start, tmp_path):
    s3 = {"MEDIA_STORAGE_URL": "s3://bucket/x", "AWS_ENDPOINT_URL_S3": "http://minio.example:9000"}
    done = start(**CLEAR, **PROXY, **s3)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    for variable in (*CLEAR, "AWS_ENDPOINT_URL_S3"):
        assert f"{variable}: what is sent to" in said
    for remedy in (
        "?sslrootcert=",
        "rediss://",
        "https://…, with AWS_CA_BUNDLE=",
        "MLFLOW_TRACKING_SERVER_CERT_PATH=",
        "smtp+tls://",
    ):
        assert remedy in said
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("weak", "named"),
    [
        ({"DATABASE_URL": "mysql://db.example/x?ssl_mode=REQUIRED"}, "nobody checks"),
        ({"DATABASE_URL": "postgres://db.example/x?sslmode=require"}, "nobody checks"),
        ({"DATABASE_URL": "postgres://127.0.0.1,db.example/x"}, "sent to db.example goes in clear text"),
        ({"DATABASE_URL": "mysql://db.example/x?ssl_mode=PREFERRED"}, "goes in clear text"),
        ({"CELERY_BROKER_URL": "rediss://r.example/0?ssl_cert_reqs=none"}, "nobody checks"),
        ({"CELERY_BROKER_URL": "amqp://r.example//"}, "amqps://"),
        ({"MLFLOW_TRACKING_URI": "https://m.example", "MLFLOW_TRACKING_INSECURE_TLS": "true"}, "nobody checks"),
    ],
    ids=str,
)
def test_a_server_that_nobody_checks_is_named_at_the_start(start, weak, named):
    done = start(**weak, **PROXY)
    assert done.returncode == 0, done.stderr
    assert named in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "strong",
    [
        {"DATABASE_URL": "mysql://127.0.0.1/x", "CELERY_BROKER_URL": "redis://localhost/0"},
        {"DATABASE_URL": "mysql://db.example/x?ssl_ca=CA", "CELERY_BROKER_URL": "amqps://r.example//"},
        {
            "DATABASE_URL": "postgres://db.example/x?sslrootcert=CA",
            "CELERY_BROKER_URL": "rediss://r.example?ssl_ca_certs=CA",
        },
        {"DATABASE_URL": "postgres:////run/postgresql/x", "MLFLOW_TRACKING_URI": "https://m.example"},
        {"EMAIL_URL": "smtp+tls://u:p@mail.example:587"},
    ],
    ids=str,
)
def test_what_stays_here_or_is_checked_is_not_warned_of(start, tmp_path, strong):
    (tmp_path / "ca.pem").write_text("read by the drivers when they connect")
    done = start(**PROXY, **{name: text.replace("CA", str(tmp_path / "ca.pem")) for name, text in strong.items()})
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


def test_backups_may_not_lie_beside_the_data(start, tmp_path):
    for folder in (tmp_path / "data" / "backups", tmp_path):
        done = start(BACKUP_DIR=str(folder), BACKUP_RECIPIENTS="age1" + "q" * 58)
        assert done.returncode == 1
        assert "must not be nested" in done.stderr
    done = start(BACKUP_DIR=str(tmp_path / "elsewhere"), BACKUP_RECIPIENTS="age1" + "q" * 58)
    assert done.returncode == 0, done.stderr


def test_without_its_key_file_a_site_does_not_start_and_makes_none(start, tmp_path):
    missing = tmp_path / "elsewhere.json"
    done = start(MEDISCAN_KEYS_FILE=str(missing))
    assert done.returncode == 1
    assert "python -m mediscan_site.core.storage.keys" in done.stderr
    assert not missing.exists()


def test_a_key_file_that_others_may_read_stops_the_start(start, tmp_path):
    (tmp_path / "keys.json").chmod(0o644)
    done = start()
    assert done.returncode == 1
    assert f"chmod 600 {tmp_path}/keys.json" in done.stderr


def test_a_site_without_https_is_warned(start):
    assert "mediscan.W001" in start().stderr


def test_the_command_of_the_remedy_makes_a_key_file_and_never_overwrites_one(start, tmp_path):
    path = tmp_path / "new" / "keys.json"
    command = [sys.executable, "-m", "mediscan_site.core.storage.keys", str(path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "already" in again.stderr
    assert path.read_bytes() == before
    assert start(MEDISCAN_KEYS_FILE=str(path)).returncode == 0


def test_the_embedded_mode_makes_its_own_keys_and_keeps_them(tmp_path):
    assert manage("check", HOME=str(tmp_path)).returncode == 0
    path = tmp_path / ".config" / "mediscan" / "keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".local" / "share" / "mediscan").stat().st_mode) == 0o700
    before = path.read_bytes()
    assert json.loads(before)["version"] == 1
    assert manage("check", HOME=str(tmp_path)).returncode == 0
    assert path.read_bytes() == before


def test_the_embedded_mode_does_not_replace_a_lost_key_file_of_a_site_that_has_data(tmp_path):
    database = tmp_path / "data" / "db.sqlite3"
    database.parent.mkdir()
    database.touch()
    keys = tmp_path / "keys.json"
    done = manage("check", HOME=str(tmp_path), MEDISCAN_DATA_DIR=str(database.parent), MEDISCAN_KEYS_FILE=str(keys))
    assert done.returncode == 1
    assert "restore it" in done.stderr
    assert not keys.exists()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_data_folder_that_others_could_read_is_closed_at_the_start(tmp_path):
    data = tmp_path / "data"
    (data / "blobs" / "project-1").mkdir(parents=True)
    (data / "broker").mkdir()
    for name in ("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "mlflow.db"):
        (data / name).write_bytes(b"")
        (data / name).chmod(0o644)
    for folder in (data, data / "blobs", data / "broker"):
        folder.chmod(0o755)
    keys = tmp_path / "keys.json"
    KeyRing.create(keys)
    (data / "db.sqlite3").write_bytes(sqlite_file())
    place = {"HOME": str(tmp_path), "MEDISCAN_DATA_DIR": str(data), "MEDISCAN_KEYS_FILE": str(keys)}
    done = manage("check", **place)
    assert done.returncode == 0, done.stderr
    assert {mode(path) for path in (data, data / "blobs", data / "broker")} == {0o700}
    assert {mode(path) for path in data.iterdir() if path.is_file()} == {0o600}


def sqlite_file() -> bytes:
    """A database that has something in it."""
    with tempfile.NamedTemporaryFile(suffix=".sqlite3") as file:
        with contextlib.closing(sqlite3.connect(file.name)) as made:
            made.execute("create table t (x)")
        return Path(file.name).read_bytes()


def test_what_a_site_makes_is_private_from_the_first_moment(tmp_path):
    data = tmp_path / "data"
    done = manage("migrate", "--verbosity", "0", HOME=str(tmp_path), MEDISCAN_DATA_DIR=str(data))
    assert done.returncode == 0, done.stderr
    assert mode(data / "db.sqlite3") == 0o600
    assert [str(path) for path in data.rglob("*") if mode(path) & 0o077] == []


def test_a_database_file_of_another_place_is_closed_too(start, tmp_path):
    database = tmp_path / "db.sqlite3"
    database.write_bytes(sqlite_file())
    database.chmod(0o644)
    done = start()
    assert done.returncode == 0, done.stderr
    assert mode(database) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder somebody else's")
def test_an_open_folder_of_somebody_else_stops_the_start_with_its_remedy(tmp_path, monkeypatch):
    from django.core.exceptions import ImproperlyConfigured

    from mediscan_site import private

    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    os.chown(folder, 4711, 4711)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    with pytest.raises(ImproperlyConfigured, match=f"MEDISCAN_DATA_DIR: others may look into .*chmod 0700 {folder}"):
        private.folder(folder, name="MEDISCAN_DATA_DIR")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_without_its_database_url_a_site_does_not_begin_anew_beside_the_stored_objects(tmp_path, elsewhere):
    """The .env file of a site on MySQL was forgotten: nothing is made, not even keys."""
    data, keys = tmp_path / "data", tmp_path / "keys.json"
    store = tmp_path / "store" if elsewhere else data / "blobs"
    (store / "project-1" / "a").mkdir(parents=True)
    (store / "project-1" / "a" / "object").write_bytes(b"sealed")
    place = {"HOME": str(tmp_path), "MEDISCAN_DATA_DIR": str(data), "MEDISCAN_KEYS_FILE": str(keys)}
    if elsewhere:
        place["MEDIA_STORAGE_URL"] = store.as_uri()
    for command in ("check", "migrate", "serve"):
        done = manage(command, **place)
        assert done.returncode == 1
        assert "put DATABASE_URL back" in done.stderr and "Traceback" not in done.stderr
    assert not keys.exists() and not (data / "db.sqlite3").exists()


def test_another_database_beside_a_store_in_use_gets_no_tables(tmp_path):
    data, keys = tmp_path / "data", tmp_path / "keys.json"
    KeyRing.create(keys)
    place = {
        "HOME": str(tmp_path),
        "MEDISCAN_DATA_DIR": str(data),
        "MEDISCAN_KEYS_FILE": str(keys),
        "SECRET_KEY": REAL_SECRET,
        "ALLOWED_HOSTS": "localhost",
    }
    first, second = (f"sqlite:///{tmp_path}/{name}.sqlite3" for name in ("first", "second"))
    assert manage("migrate", "--verbosity", "0", DATABASE_URL=first, **place).returncode == 0
    marked = manage("adopt_store", "--yes", DATABASE_URL=first, **place)
    assert marked.returncode == 0, marked.stderr
    refused = manage("migrate", DATABASE_URL=second, **place)
    assert refused.returncode == 1
    assert "already in use" in refused.stderr and "Traceback" not in refused.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "second.sqlite3")) as made:
        assert made.execute("select count(*) from sqlite_master").fetchone() == (0,)
    # What a container runs, and what a worker runs: each looks by itself.
    adopted = manage("adopt_store", "--yes", DATABASE_URL=second, **place)
    assert adopted.returncode == 0, adopted.stderr
    for code in ("import mediscan_site.wsgi", "import mediscan_site.asgi"):
        done = python(code, DATABASE_URL=first, **place)
        assert (
            done.returncode == 1 and "MediScan cannot start. The store is marked as another database's" in done.stderr
        )


def python(code: str, **environment: str) -> "CompletedProcess[str]":
    return program("-c", code, **environment)


def program(*arguments: str, **environment: str) -> "CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    unset = dict.fromkeys(("PUBLIC_URL", "DEBUG", "MEDIA_STORAGE_URL", "CELERY_BROKER_URL"), "")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, **unset, "DJANGO_SETTINGS_MODULE": "mediscan_site.settings", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import mediscan_site.wsgi"),
        ("-c", "import mediscan_site.asgi"),
        ("-m", "celery", "-A", "mediscan_site", "worker", "-Q", "io", "--concurrency", "1"),
        ("-m", "celery", "-A", "mediscan_site", "beat", "--pidfile="),
        ("manage.py", "rotate_keys"),
        ("manage.py", "sweep_orphans"),
        ("manage.py", "serve"),
    ],
    ids=lambda value: "-".join(value[-3:]),
)
def test_with_another_sites_key_file_no_process_starts(foreign_keys, arguments):
    done = program(*arguments, **foreign_keys)
    assert done.returncode not in (0, None)
    assert "is not this site's" in done.stderr + done.stdout
    assert "Put the site's own key file there" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def foreign_keys(tmp_path_factory):
    """A site that is in use, and a key file that was made anew, as for a new host."""
    folder = tmp_path_factory.mktemp("foreign")
    place = {
        "HOME": str(folder),
        "MEDISCAN_DATA_DIR": str(folder / "data"),
        "MEDISCAN_KEYS_FILE": str(folder / "keys.json"),
        "PORT": "0",
    }
    made = manage("migrate", "--verbosity", "0", **place)
    assert made.returncode == 0, made.stderr
    started = program("-c", "import mediscan_site.wsgi", **place)
    assert started.returncode == 0, started.stderr
    (folder / "keys.json").rename(folder / "own-keys.json")
    KeyRing.create(folder / "keys.json")
    return place
