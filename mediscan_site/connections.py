"""What settings.py says of the services around the site: database, object store, broker."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from mediscan_site import patience, private, tls
from mediscan_site.env import outside

ENGINES = ("sqlite", "mysql", "postgres", "postgresql")
# S3 objects are read through a spooled copy (of the ciphertext): above this size it is on disk, not in memory.
S3_MEMORY = 16 * 2**20


def blob_storage(url: str, default: Path, base_dir: Path) -> dict[str, object]:
    """Django's STORAGES entry for `file:///folder` or `s3://bucket/prefix` (endpoint and keys from AWS_* variables)."""
    parts = urlsplit(url)
    if not url or (parts.scheme == "file" and not parts.netloc and parts.path):
        location = outside(Path(unquote(parts.path)), base_dir, name="MEDIA_STORAGE_URL") if url else default
        if Path(location).is_dir():
            private.folder(Path(location), name="MEDIA_STORAGE_URL")
        return {"BACKEND": "mediscan_site.core.storage.disk.DurableFileStorage", "OPTIONS": {"location": str(location)}}
    if parts.scheme == "s3" and parts.netloc:
        options = {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "file_overwrite": False,
            "max_memory_size": S3_MEMORY,
            "client_config": patience.object_store(),
        }
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    raise ImproperlyConfigured(f"MEDIA_STORAGE_URL must be file:///folder or s3://bucket/prefix, not {url!r}.")


def broker_options(url: str, folder: Path) -> dict[str, object]:
    """Celery's transport options; the broker in files gets its folders, made when missing."""
    if not url.startswith("filesystem://"):
        return {"visibility_timeout": 7 * 3600}
    messages, control = folder / "messages", folder / "control"
    for made in (messages, control):
        made.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": 0.05,
    }


def database(url: str, sqlite_path: Path) -> dict[str, object]:
    """Django's DATABASES entry; each engine gets the options that make short write transactions safe on it."""
    if url and urlsplit(url).scheme not in ENGINES:
        # Not the address itself: it holds a password.
        raise ImproperlyConfigured("DATABASE_URL must start with mysql://, postgres:// or sqlite:///.")
    config: dict[str, object] = environ.Env.db_url_config(url or f"sqlite:///{sqlite_path}")
    engine = str(config["ENGINE"])
    raw_options = config.get("OPTIONS")
    options: dict[str, object] = dict(raw_options) if isinstance(raw_options, dict) else {}
    if engine.endswith("sqlite3"):
        if config["NAME"] != ":memory:":
            private.database(Path(str(config["NAME"])), name="DATABASE_URL")
        # FULL: what is committed is on the disk; with NORMAL a power cut takes the last answers back.
        # IMMEDIATE: a deferred transaction that turns into a writer fails at once with "database is locked".
        # secure_delete: what is overwritten or deleted does not stay readable in the free parts of the file.
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas, **options}
    if engine.endswith("postgresql"):
        options = tls.postgres(options)
    if engine.endswith("mysql"):
        # guardian compares the connection's strings with columns: both must have one collation, see
        # findings/guardian_fails_on_unicode_ci_mariadb.sh.
        options = {
            "charset": "utf8mb4",
            "collation": "utf8mb4_bin",
            "isolation_level": "read committed",
            # Leases are measured by the database's clock, and columns hold UTC.
            "init_command": "SET sql_mode='STRICT_TRANS_TABLES', time_zone='+00:00'",
            **tls.mysql(options),
        }
        config["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": str(options["collation"])}
    config["OPTIONS"] = options
    # SQLite too: whoever closes the last connection writes the log back into the file and takes it away, and the next one makes
    # it anew. What is deleted does not stay in the log: core.storage.scrub.
    config.setdefault("CONN_MAX_AGE", 60)
    # A connection that the server has closed is noticed before it is used, by requests and tasks that come after.
    config.setdefault("CONN_HEALTH_CHECKS", True)
    return config
