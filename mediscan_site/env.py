"""Reads the environment for settings.py, and refuses to guess: what is missing stops the start with its remedy."""

import hashlib
import hmac
import ipaddress
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from mediscan_site import private
from mediscan_site.core.storage.keys import KeyRing, KeysError

OWN_FOLDERS = ("blobs", "broker", "mlflow-artifacts")
OWN_DATABASES = ("db.sqlite3", "mlflow.db", "beat-schedule")
SAMPLE_SECRETS = ("change-me", "changeme", "insecure", "secret", "sample")
MIN_SECRET_LENGTH = 50
# Clocks of the machines of a site may differ by so much; after a longer absence of all workers so much of what beat sent is left.
CLOCKS_APART_S = 2 * 3600
AGE_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


def read_env(base_dir: Path) -> environ.Env:
    """The process environment over `.env` (if present) of the checkout."""
    env = environ.Env()
    env.read_env(base_dir / ".env", overwrite=False)
    return env


def count(env: environ.Env, name: str, *, default: int) -> int:
    """A whole number, 0 or more; unset and empty mean the default."""
    given = str(env.str(name, default="")).strip()
    if given and not (given.isascii() and given.isdigit()):
        raise ImproperlyConfigured(f"{name} must be a whole number, not {given!r}.")
    return int(given or default)


def at_least(env: environ.Env, name: str, *, default: int, least: int) -> int:
    value = count(env, name, default=default)
    if value < least:
        raise ImproperlyConfigured(f"{name} must be {least} or more, not {value}.")
    return value


def hour(env: environ.Env, name: str, *, default: int) -> int:
    """An hour of the day, 0 to 23."""
    value = count(env, name, default=default)
    if value > 23:
        raise ImproperlyConfigured(f"{name} must be an hour from 0 to 23, not {value}.")
    return value


def switch(env: environ.Env, name: str) -> bool:
    """True or false; unset and empty mean false."""
    given = str(env.str(name, default="")).strip().lower()
    if given not in YES + NO:
        raise ImproperlyConfigured(f"{name} must be true or false, not {given!r}.")
    return given in YES


def one_of(env: environ.Env, name: str, choices: Sequence[str]) -> str:
    """One of some words; unset and empty mean the first."""
    given = str(env.str(name, default="")).strip().lower() or choices[0]
    if given not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {given!r}.")
    return given


def meeting_place(env: environ.Env, name: str, *, needed: bool) -> str:
    """host:port, or empty where it is not needed."""
    given = str(env.str(name, default="")).strip()
    host, colon, port = given.rpartition(":")
    if given and not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ImproperlyConfigured(f"{name} must be host:port, as in 10.0.0.5:29500, not {given!r}.")
    if needed and not given:
        raise ImproperlyConfigured(f"Set {name} to the host:port where the hosts of TRAINING_HOSTS meet.")
    return given


def debug(env: environ.Env, *, embedded: bool) -> bool:
    """DEBUG shows settings and local variables to whoever causes an error: never use it in production."""
    wanted = switch(env, "DEBUG")
    if wanted and not embedded:
        raise ImproperlyConfigured("DEBUG is on. Set DEBUG=false: it is only for the embedded mode (no DATABASE_URL).")
    return wanted


def outside(path: Path, base_dir: Path, *, name: str) -> Path:
    """The path, made absolute; data and keys never live inside the checkout."""
    resolved = path.expanduser().resolve()
    if resolved.is_relative_to(base_dir):
        raise ImproperlyConfigured(f"{name}: {resolved} is inside the checkout. Choose a place outside {base_dir}.")
    return resolved


def data_dir(path: Path, base_dir: Path) -> Path:
    """The folder for the site's own state, made when missing; nobody but its owner may look into it."""
    folder = outside(path, base_dir, name="MEDISCAN_DATA_DIR")
    private.from_now_on()
    private.folder(folder, name="MEDISCAN_DATA_DIR")
    # Its own mode already keeps others out; these are private also where somebody opens it again.
    for name in OWN_FOLDERS:
        if (folder / name).is_dir():
            private.folder(folder / name, name="MEDISCAN_DATA_DIR")
    for name in OWN_DATABASES:
        private.database(folder / name, name="MEDISCAN_DATA_DIR")
    return folder


def require_no_strangers(blobs: dict[str, Any], database: Path) -> None:
    """Before keys or a database are made: stored objects without a database are those of a site that was meant to have its
    DATABASE_URL, or that lost its database. (Buckets and other databases: core.storage.own_store.)"""
    options = blobs["OPTIONS"]
    objects = Path(options["location"])
    if "bucket_name" in options or (database.exists() and database.stat().st_size):
        return
    if not objects.is_dir() or not any(objects.iterdir()):
        return
    raise ImproperlyConfigured(
        f"{objects} holds the stored objects of a site, but DATABASE_URL is not set and there is no {database}. If this site is "
        "on MySQL or PostgreSQL, put DATABASE_URL back (is the .env file there?). If its SQLite database was lost, restore a "
        "backup. For a new site choose another MEDISCAN_DATA_DIR. Nothing was made or changed."
    )


def key_ring(path: Path, *, embedded: bool, database: Path, restoring: bool = False) -> KeyRing:
    """The master keys. The embedded mode makes them once, before it has a database; elsewhere they must exist, except
    for a restore, which brings them: until then it uses temporary ones that protect nothing."""
    if restoring and not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            return KeyRing.create(Path(folder) / "keys.json")
    make = embedded and not database.exists()
    try:
        return KeyRing.load_or_create(path) if make else KeyRing.load(path)
    except KeysError as error:
        remedy = "or, for a new site only, make one with: python -m mediscan_site.core.storage.keys PATH"
        if embedded and database.exists():
            remedy = f"or restore it: a new one could not read what is stored in {database.parent}."
        raise ImproperlyConfigured(
            f"The key file {path} cannot be used: {error} Set MEDISCAN_KEYS_FILE to your key file (mode 0600), {remedy}"
        ) from error


def backup_dir(given: str, base_dir: Path, data: Path) -> str:
    """BACKUP_DIR, made absolute; empty when unset. Next to the data it would be lost with them."""
    if not given:
        return ""
    path = outside(Path(given), base_dir, name="BACKUP_DIR")
    if path.is_relative_to(data) or data.is_relative_to(path):
        raise ImproperlyConfigured(
            f"BACKUP_DIR: {path} and MEDISCAN_DATA_DIR {data} must not be nested. Choose a folder on another disk or machine."
        )
    return str(path)


def drill_dir(given: str, base_dir: Path, data: Path) -> str:
    """Where a restore is rehearsed; below the data unless DRILL_DIR names another place."""
    return str(outside(Path(given), base_dir, name="DRILL_DIR") if given else data / "drill")


def backup_recipients(given: list[str], *, needed: bool) -> list[str]:
    """The age recipients (public keys) of backups. Outside the embedded mode they must be set when backups are made."""
    recipients = [text.strip() for text in given if text.strip()]
    wrong = next((text for text in recipients if not AGE_RECIPIENT.fullmatch(text)), None)
    if wrong is not None:
        raise ImproperlyConfigured(
            f"BACKUP_RECIPIENTS: {wrong[:12]!r}… is not an age recipient; it must look like age1…."
        )
    if needed and not recipients:
        raise ImproperlyConfigured(
            "BACKUP_DIR is set, but not whom backups are encrypted for. Run age-keygen on another machine, keep what it prints "
            "there, and set BACKUP_RECIPIENTS to its public key (age1…)."
        )
    return recipients


def secret_key(value: str, ring: KeyRing, *, embedded: bool) -> str:
    """The session secret. The embedded mode derives it from its own key file; elsewhere it must be set, and be real."""
    if not value and embedded:
        return hmac.new(ring.jwt_key, b"mediscan session secret", hashlib.sha256).hexdigest()
    if len(value) < MIN_SECRET_LENGTH or any(sample in value.lower() for sample in SAMPLE_SECRETS):
        raise ImproperlyConfigured(
            f"SECRET_KEY is missing, a sample, or shorter than {MIN_SECRET_LENGTH} characters. Make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(64))"'
        )
    return value


def public_url(url: str, *, tls: bool = False) -> str:
    """The address people use, without a trailing slash; empty when there is none."""
    if tls and url.startswith("http://"):
        raise ImproperlyConfigured("TLS is on, so PUBLIC_URL must start with https://.")
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/")):
        raise ImproperlyConfigured(f"PUBLIC_URL must be like https://mediscan.example (no path), not {url!r}.")
    return url.rstrip("/")


def bind(address: str, *, covered: bool) -> str:
    """The address to listen on; beyond this machine only where passwords and scans do not travel in the clear."""
    if with_port := re.fullmatch(r"(\[.*\]|[^:]*):(\d+)", address):
        host, port = with_port.groups()
        raise ImproperlyConfigured(f"BIND={address} has a port in it. Set BIND={host or '127.0.0.1'} and PORT={port}.")
    if not covered and not is_local(address):
        raise ImproperlyConfigured(
            f"BIND={address} lets other machines in without TLS. Either set TLS=1 (the site makes a certificate, or uses your "
            "TLS_CERT and TLS_KEY), or put a TLS proxy in front and set PUBLIC_URL=https://… and TRUSTED_PROXIES=1, or remove BIND."
        )
    return address


def certificate(certificate: str, key: str) -> tuple[str, str]:
    """TLS_CERT and TLS_KEY, made absolute: both or neither."""
    if bool(certificate) != bool(key):
        raise ImproperlyConfigured(
            "TLS_CERT and TLS_KEY must be set together: the certificate with its chain, and its key (PEM). Without both, TLS=1 "
            "makes a certificate for this machine."
        )
    return tuple(str(Path(path).expanduser().resolve()) if path else "" for path in (certificate, key))  # type: ignore[return-value]


def is_local(host: str) -> bool:
    """No network is between: this machine's loopback, or a socket in its file system."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed_hosts(hosts: list[str], public_url: str, *, embedded: bool) -> list[str]:
    public_host = urlsplit(public_url).hostname if public_url else None
    known = [host for host in [*hosts, public_host] if host]
    if "*" in known:
        raise ImproperlyConfigured("ALLOWED_HOSTS may not be '*'. List the host names this site answers to.")
    if embedded:
        return [*known, "localhost", "127.0.0.1", "[::1]"]
    if not known:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS is missing. List the host names this site answers to, comma-separated."
        )
    return known


def every(seconds: float, task: str, *arguments: int, expires: int | None = None) -> dict[str, object]:
    """An entry of beat's schedule. `expires`: seconds after which a message that nobody took is useless."""
    options = {"queue": "io"} if expires is None else {"queue": "io", "expires": expires}
    return {"task": task, "schedule": float(seconds), "args": list(arguments), "options": options}


def on_several_machines(schedule: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same where beat and worker may have two clocks: a message carries the time at which it is useless, by beat's clock, and
    a worker whose clock is ahead would throw all of them away."""
    for entry in schedule.values():
        if "expires" in entry["options"]:
            entry["options"]["expires"] += CLOCKS_APART_S
    return schedule
