"""The site's own settings over a scratch folder, with a fast hasher. DATABASE_URL and CELERY_BROKER_URL may name services."""

import os
import tempfile
from pathlib import Path

if "MEDISCAN_TEST_SCRATCH" not in os.environ:
    os.environ["MEDISCAN_TEST_SCRATCH"] = tempfile.mkdtemp(prefix="mediscan-test-")
_scratch = Path(os.environ["MEDISCAN_TEST_SCRATCH"]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["MEDISCAN_DATA_DIR"] = str(_scratch / "data")
os.environ["MEDISCAN_KEYS_FILE"] = str(_scratch / "keys" / "keys.json")
for name in (
    "PUBLIC_URL",
    "TLS",
    "TLS_CERT",
    "TLS_KEY",
    "BIND",
    "MEDIA_STORAGE_URL",
    "MLFLOW_TRACKING_URI",
    "EMAIL_URL",
    "WEIGHTS_DIR",
    "DEBUG",
):
    os.environ[name] = ""
os.environ["DEBUG"] = "false"
os.environ["DISK_FLOOR_BYTES"] = "0"  # the machine's disk is no matter of the tests
for name in ("BACKUP_DIR", "BACKUP_RECIPIENTS", "BACKUP_RECIPIENTS_FILE", "BACKUP_HOUR"):
    os.environ[name] = ""
for name in ("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "ALLOWED_HOSTS"):
    os.environ.setdefault(name, "")  # a developer's .env is not for the tests
if os.environ.get("DATABASE_URL"):
    from mediscan_site.core.storage.keys import KeyRing

    KeyRing.load_or_create(Path(os.environ["MEDISCAN_KEYS_FILE"]))
    os.environ["SECRET_KEY"] = "x7" * 40
    os.environ["ALLOWED_HOSTS"] = "testserver,localhost"

from mediscan_site.settings import *  # noqa: E402, F403
from mediscan_site.settings import ALLOWED_HOSTS, DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

ALLOWED_HOSTS += ["testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = True
# Looks for a static file when it is asked for; else each test client reads the whole of every folder before its first request.
WHITENOISE_AUTOREFRESH = True
# Else WhiteNoise warns a thousand times that nothing was collected there.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# A busy machine is no reason to refuse a file.
DECODER_TIMEOUT_S = 600
SENDS_MAIL = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as on a real site: threads on an in-memory database get "table is locked", which no time-out waits for.
    DATABASES["default"]["TEST"] = {"NAME": str(_scratch / "test.sqlite3")}
