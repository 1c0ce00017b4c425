"""The site starts with what it needs, or says what is missing and what to do about it."""

import json
import os
import stat
import subprocess
import sys
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
    "DATABASE_URL": "mysql://u:hush@db.example/x",
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
        "?ssl_ca=",
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
