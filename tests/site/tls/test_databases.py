"""Databases over TLS, against real servers: a wrong CA and a wrong name are refused, by the site and by the backup's tools."""

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import ConnectionHandler, OperationalError

from mediscan_site import connections
from mediscan_site.core.backup import dumps
from tests.site.tls.servers import PASSWORD, RIGHT, WRONG

USED = {
    "mysql": "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'",
    "postgres": "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
}


@pytest.fixture(autouse=True)
def _connections_of_our_own(django_db_blocker):
    """These tests make their own connections, to servers that hold nothing of the site's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(params=["mysql", "postgres"])
def engine(request):
    return request.param


@pytest.fixture
def server(engine, request):
    if engine == "mysql":
        pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")
    return request.getfixturevalue("mariadb" if engine == "mysql" else "postgres")


def address(engine, port, host=RIGHT, **options) -> str:
    name = "m" if engine == "mysql" else "postgres"
    return f"{engine}://u:{PASSWORD}@{host}:{port}/{name}?{urlencode(options)}"


def opened(url: str):
    return ConnectionHandler({"default": connections.database(url, Path("/nowhere"))})["default"]


def used(engine: str, url: str) -> str:
    """The protocol of a connection made by this address."""
    connection = opened(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(USED[engine])
            return str(cursor.fetchone()[0])
    finally:
        connection.close()


CA = {"mysql": "ssl_ca", "postgres": "sslrootcert"}
MODE = {"mysql": "ssl_mode", "postgres": "sslmode"}
IDENTITY = {
    "mysql": ["", "VERIFY_IDENTITY", "verify_identity", "REQUIRED"],
    "postgres": ["", "verify-full", "VERIFY-FULL", "require"],
}
CA_ONLY = {"mysql": "VERIFY_CA", "postgres": "verify-ca"}
WEAK = {"mysql": ["DISABLED", "PREFERRED"], "postgres": ["disable", "allow", "prefer"]}
REQUIRED = {"mysql": "REQUIRED", "postgres": "require"}


def asked(engine, ca, mode="") -> dict[str, str]:
    return {CA[engine]: str(ca), **({MODE[engine]: mode} if mode else {})}


@pytest.mark.parametrize("spelling", range(4))
def test_a_ca_in_the_address_has_certificate_and_name_checked(engine, server, spelling):
    papers, port = server
    mode = IDENTITY[engine][spelling]
    assert used(engine, address(engine, port, **asked(engine, papers.ca, mode))).startswith("TLSv1.")
    with pytest.raises(OperationalError, match=r"(?i)certificate"):
        used(engine, address(engine, port, **asked(engine, papers.other_ca, mode)))
    with pytest.raises(OperationalError, match=r"(?i)certificate"):
        used(engine, address(engine, port, WRONG, **asked(engine, papers.ca, mode)))


def test_a_check_of_the_ca_alone_refuses_another_ca(engine, server):
    papers, port = server
    assert used(engine, address(engine, port, **asked(engine, papers.ca, CA_ONLY[engine]))).startswith("TLSv1.")
    with pytest.raises(OperationalError, match=r"(?i)certificate"):
        used(engine, address(engine, port, **asked(engine, papers.other_ca, CA_ONLY[engine])))


def test_encryption_may_be_asked_for_without_a_ca(engine, server):
    assert used(engine, address(engine, server[1], **{MODE[engine]: REQUIRED[engine]})).startswith("TLSv1.")


@pytest.mark.parametrize(("host", "right_ca"), [(RIGHT, True), (RIGHT, False), (WRONG, True)])
def test_the_tools_of_a_backup_check_what_the_site_checks(engine, server, host, right_ca, monkeypatch):
    papers, port = server
    monkeypatch.setattr(
        dumps,
        "connection",
        opened(address(engine, port, host, **asked(engine, papers.ca if right_ca else papers.other_ca))),
    )
    # --no-data and --schema-only: an empty database is dumped.
    option = {"mysql": "--no-data", "postgres": "--schema-only"}[engine]
    arguments, env, database = dumps.command({"mysql": "mysqldump", "postgres": "pg_dump"}[engine], option)
    done = subprocess.run([*arguments, database], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (host == RIGHT and right_ca), done.stderr
    assert done.returncode == 0 or "certificate" in done.stderr.lower()


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("mysql://h/n?ssl_ca=/none.pem", "ssl_ca=/none.pem cannot be read"),
        ("mysql://h/n?sslmode=require", "Write ssl_mode"),
        ("mysql://h/n?sslrootcert=/etc/hosts", "Write ssl_ca"),
        ("mysql://h/n?ssl=true", "Write ssl_mode"),
        ("mysql://h/n?ssl_mode=on", "must be one of DISABLED, PREFERRED"),
        ("mysql://h/n?ssl_cipher=x", "ssl_cipher is not known here"),
        ("mysql://h/n?ssl_ca=/etc/hosts&ssl_mode=DISABLED", "DISABLED would ignore ssl_ca"),
        ("mysql://h/n?ssl_ca=/etc/hosts&ssl_mode=preferred", "PREFERRED would ignore ssl_ca"),
        ("mysql://h/n?ssl_ca=/etc/hosts&ssl_cert=/etc/hosts", "ssl_cert and ssl_key must be given together"),
        ("postgres://h/n?sslrootcert=/none.pem", "sslrootcert=/none.pem cannot be read"),
        ("postgres://h/n?ssl_ca=/etc/hosts", "Write sslrootcert"),
        ("postgres://h/n?sslmode=on", "must be one of disable, allow"),
        ("postgres://h/n?sslmode=prefer&sslrootcert=/etc/hosts", "prefer would ignore sslrootcert"),
    ],
)
def test_what_cannot_be_checked_stops_the_start_with_its_remedy(url, remedy):
    with pytest.raises(ImproperlyConfigured, match=re.escape(remedy)):
        connections.database(url, Path("/nowhere"))


def test_the_words_for_mysqls_own_client_differ(monkeypatch):
    """Oracle's mysqldump takes the mode by its name; MariaDB's has two switches."""
    monkeypatch.setattr(dumps, "connection", SimpleNamespace(settings_dict={"OPTIONS": {"ssl_mode": "VERIFY_CA"}}))
    for version, words in {
        "mysqldump  Ver 8.0.39 for Linux on x86_64 (MySQL Community Server - GPL)": ["--ssl-mode=VERIFY_CA"],
        "mysqldump  Ver 10.19 Distrib 10.11.19-MariaDB": ["--ssl", "--ssl-verify-server-cert"],
    }.items():
        done = subprocess.CompletedProcess([], 0, version, "")
        monkeypatch.setattr(dumps.subprocess, "run", lambda *_args, done=done, **_options: done)
        assert dumps._mysql_tls("mysqldump") == words
