"""All settings, from the environment (documented in .env.example). Without DATABASE_URL the site runs embedded: SQLite, a
broker in files, a local MLflow store and keys of its own. With it, nothing is made up: what is missing stops the start."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import django_stubs_ext

from mediscan_site import connections, logs, patience, rabbitmq, tls
from mediscan_site import env as site_env
from mediscan_site.fixed import *  # noqa: F403 -- the other half of the settings

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = site_env.read_env(BASE_DIR)

EMBEDDED = not env.str("DATABASE_URL", default="")
DATA_DIR = site_env.data_dir(Path(env.str("MEDISCAN_DATA_DIR", default="") or "~/.local/share/mediscan"), BASE_DIR)
KEYS_FILE = site_env.outside(
    Path(env.str("MEDISCAN_KEYS_FILE", default="") or "~/.config/mediscan/keys.json"),
    BASE_DIR,
    name="MEDISCAN_KEYS_FILE",
)
SQLITE_FILE = DATA_DIR / "db.sqlite3"
# Where the head of the audit chain is noted once an hour (core.trail.anchors).
AUDIT_ANCHOR_FILE = Path(env.str("AUDIT_ANCHOR_FILE", default="") or DATA_DIR / "audit-anchors.jsonl").expanduser()
RESTORING = sys.argv[1:2] == ["restore"]
BLOBS = connections.blob_storage(env.str("MEDIA_STORAGE_URL", default=""), DATA_DIR / "blobs", BASE_DIR)
if EMBEDDED and sys.argv[1:2] not in (["restore"], ["adopt_store"]):
    site_env.require_no_strangers(BLOBS, SQLITE_FILE)
KEY_RING = site_env.key_ring(KEYS_FILE, embedded=EMBEDDED, database=SQLITE_FILE, restoring=RESTORING)

PORT = site_env.count(env, "PORT", default=8000)
# The number of proxies in front of the site that append to X-Forwarded-For; 0 trusts no header.
TRUSTED_PROXIES = site_env.count(env, "TRUSTED_PROXIES", default=0)
# Https by the site itself: with the user's certificate, or one that it makes (front/certificate.py).
TLS_CERT, TLS_KEY = site_env.certificate(env.str("TLS_CERT", default=""), env.str("TLS_KEY", default=""))
TLS = site_env.switch(env, "TLS") or bool(TLS_CERT)
TLS_SELF_MADE = TLS and not TLS_CERT
PUBLIC_URL = site_env.public_url(env.str("PUBLIC_URL", default=""), tls=TLS)
HTTPS = TLS or PUBLIC_URL.startswith("https://")
# The address the site listens on. Loopback unless a proxy or container needs more.
BIND = site_env.bind(env.str("BIND", default="") or "127.0.0.1", covered=TLS or (HTTPS and TRUSTED_PROXIES > 0))
DEBUG = site_env.debug(env, embedded=EMBEDDED)
SECRET_KEY = site_env.secret_key(env.str("SECRET_KEY", default=""), KEY_RING, embedded=EMBEDDED)
ALLOWED_HOSTS = site_env.allowed_hosts(env.list("ALLOWED_HOSTS", default=[]), PUBLIC_URL, embedded=EMBEDDED)

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mediscan_site.front.context.site",
            ]
        },
    }
]

# Seconds that a request waits for the database's answer, and for a lock that somebody else holds.
DATABASE_TIMEOUT_S = site_env.count(env, "DATABASE_TIMEOUT_S", default=8)
DATABASE_LOCK_S = site_env.count(env, "DATABASE_LOCK_S", default=5)
_database = connections.database(env.str("DATABASE_URL", default=""), SQLITE_FILE)
DATABASES = {"default": patience.database(_database, patience.chosen(DATABASE_TIMEOUT_S, DATABASE_LOCK_S))}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "blobs": BLOBS,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
LOCALE_PATHS = [BASE_DIR / "locale"]
# Without a manifest (tests, DEBUG) the plain finder serves the files.
WHITENOISE_USE_FINDERS = DEBUG

# The web
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# A session ends after so long without activity.
SESSION_IDLE_S = site_env.at_least(env, "SESSION_IDLE_S", default=8 * 3600, least=60)
# Not with a certificate that the site made: browsers do not trust it by themselves, and HSTS takes away their way past the
# warning, for a year and for every port of the host, also after the certificate was made anew.
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS and (TRUSTED_PROXIES or not TLS_SELF_MADE) else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
# Probes and Prometheus come to the process itself, past the proxy that speaks TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
MAX_SCAN_BYTES = site_env.count(env, "MAX_SCAN_BYTES", default=200 * 2**20)
MAX_IMPORT_BYTES = site_env.count(env, "MAX_IMPORT_BYTES", default=20 * 2**30)
MAX_SCAN_PIXELS = site_env.count(env, "MAX_SCAN_PIXELS", default=100_000_000)
MAX_SCAN_FRAMES = site_env.count(env, "MAX_SCAN_FRAMES", default=2000)
# What is kept free on the disks of the site; -1: 1 GiB, or a part of a small disk (core.storage.room).
DISK_FLOOR_BYTES = site_env.count(env, "DISK_FLOOR_BYTES", default=-1)
DECODER_PROCESSES = site_env.count(env, "DECODER_PROCESSES", default=2)
DECODER_TIMEOUT_S = site_env.count(env, "DECODER_TIMEOUT_S", default=20)

SIMPLE_JWT = {
    "SIGNING_KEY": KEY_RING.jwt_key.hex(),
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "CHECK_REVOKE_TOKEN": True,
    "ISSUER": "mediscan",
    "AUDIENCE": "mediscan",
    "LEEWAY": 10,
}
# Work
CELERY_BROKER_URL, CELERY_BROKER_USE_SSL = tls.broker(
    env.str("CELERY_BROKER_URL", default="") or "filesystem://localhost"
)
BROKER_FOLDER = DATA_DIR / "broker"
CELERY_BROKER_TRANSPORT_OPTIONS = patience.broker(
    CELERY_BROKER_URL, connections.broker_options(CELERY_BROKER_URL, BROKER_FOLDER)
)
CELERY_BROKER_CONNECTION_TIMEOUT = patience.broker_wait()
# A connection to the database outlives a task as it outlives a request (CONN_MAX_AGE): `core.work` looks after it. Celery's own
# way closes it before and after every task.
CELERY_DB_REUSE_MAX = 10**9
CELERY_TASK_QUEUES = rabbitmq.queues(CELERY_BROKER_URL)
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULER = "mediscan_site.core.beats:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "seal-audit": site_env.every(1, "core.seal_audit", expires=5),
    "sweep-work": site_env.every(5, "core.sweep_work", expires=10),
    # 0: every scan that waits to be compared; every version that MLflow has not seen yet.
    "compare-scans": site_env.every(5, "images.compare_pending", 0, expires=5),
    "mirror": site_env.every(300, "models_registry.mirror", 0, expires=240),
    # The online tests every minute, and a look at what is deployed every night.
    "watch-streams": site_env.every(60, "models_registry.watch_streams", 0, expires=50),
    "watch-deployed": site_env.every(86_400, "models_registry.watch", 0, expires=80_000),
    "request-backup": site_env.every(300, "core.request_backup", expires=240),
    "keep-journal": site_env.every(60, "core.keep_journal", expires=50),
    "request-drill": site_env.every(3600, "core.request_drill", expires=3000),
    # What people are told: of what happened, of what waits, and by mail.
    "tell": site_env.every(10, "front.tell", 0, expires=10),
    "tell-of-waiting": site_env.every(900, "front.tell_of_waiting", 0, expires=800),
    "mail-messages": site_env.every(30, "front.mail_messages", 0, expires=30),
    "mail-digests": site_env.every(300, "front.mail_digests", 0, expires=280),
    "tidy": site_env.every(3600, "core.tidy"),
    # Maintained numbers: what has changed, and every night a real count beside them.
    "fold-totals": site_env.every(30, "core.fold_totals", expires=30),
    "check-totals": site_env.every(86_400, "core.check_totals", expires=80_000),
    # So are studies of several patients looked for in all scans.
    "check-studies": site_env.every(86_400, "images.check_studies", 0, expires=80_000),
    "watch-audit": site_env.every(3600, "core.watch_audit", expires=3000),
    "watch-room": site_env.every(60, "core.watch_room", expires=50),
    "verify-objects": site_env.every(3600, "core.verify_objects", expires=3000),
    "sweep-orphans": site_env.every(3600, "core.sweep_orphans", expires=3000),
}
if not CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BEAT_SCHEDULE = site_env.on_several_machines(CELERY_BEAT_SCHEDULE)
WORK_LEASE_S = site_env.count(env, "WORK_LEASE_S", default=20)
WORK_MAX_ATTEMPTS = 3
# The most that one person, administrators too, may have waiting or running (core.shares).
WAITING_PER_PERSON = {
    "models_registry.Grade": site_env.count(env, "MAX_WAITING_GRADES", default=100),
    "models_registry.GradeBatch": site_env.count(env, "MAX_WAITING_GRADE_BATCHES", default=10),
    "models_registry.Evaluation": site_env.count(env, "MAX_WAITING_EVALUATIONS", default=20),
    "models_registry.Watch": site_env.count(env, "MAX_WAITING_WATCHES", default=20),
    "labeling.Import": site_env.count(env, "MAX_WAITING_IMPORTS", default=20),
    "labeling.Export": site_env.count(env, "MAX_WAITING_EXPORTS", default=10),
    "training.TrainingRun": site_env.count(env, "MAX_WAITING_TRAININGS", default=10),
}
# The most requests a second of one caller, by what they ask for (front.gate.throttle); 0: no limit.
THROTTLE = {
    "reading": site_env.count(env, "THROTTLE_READING", default=100),
    "writing": site_env.count(env, "THROTTLE_WRITING", default=40),
    "uploads": site_env.count(env, "THROTTLE_UPLOADS", default=60),
    "expensive": site_env.count(env, "THROTTLE_EXPENSIVE", default=5),
    "strangers": site_env.count(env, "THROTTLE_STRANGERS", default=60),
}
# Uploads in pieces that are not complete: how many, and the bytes that they announced and that have not arrived.
MAX_OPEN_UPLOADS = site_env.count(env, "MAX_OPEN_UPLOADS", default=10)
MAX_ANNOUNCED_BYTES = site_env.count(env, "MAX_ANNOUNCED_BYTES", default=2 * MAX_IMPORT_BYTES)

# The laboratory book
MLFLOW_TRACKING_URI = env.str("MLFLOW_TRACKING_URI", default="") or f"sqlite:///{DATA_DIR}/mlflow.db"
MLFLOW_ARTIFACTS = DATA_DIR / "mlflow-artifacts"
WEIGHTS_DIR = env.str("WEIGHTS_DIR", default="")
# What trainings are planned for, by the web process too, and run on: "auto" is what this machine has.
TRAINING_DEVICE = site_env.one_of(env, "TRAINING_DEVICE", ("auto", "cpu", "cuda"))
# Processes that grade on this machine (`make serve` starts so many), and the threads of each; 0: its share of the cores.
GRADE_WORKERS = max(1, site_env.count(env, "GRADE_WORKERS", default=1))
GRADE_THREADS = site_env.count(env, "GRADE_THREADS", default=0) or max(1, (os.cpu_count() or 1) // GRADE_WORKERS)
# What grades: "auto" is a GPU where this machine has one that gives the processor's answers.
GRADE_DEVICE = site_env.one_of(env, "GRADE_DEVICE", ("auto", "cpu", "cuda"))
# Whether graphs may compute in 8-bit integers: "auto" where that is quicker and the version says the same, "off" never.
GRAPH_INT8 = site_env.one_of(env, "GRAPH_INT8", ("auto", "off"))
TRAINING_SUBPROCESS_THREADS = site_env.count(env, "TRAINING_THREADS", default=0)
# Processes of each host that train a run together, and the hosts: where they meet, and how long one may be silent.
TRAINING_PROCESSES = site_env.at_least(env, "TRAINING_PROCESSES", default=1, least=1)
TRAINING_HOSTS = site_env.at_least(env, "TRAINING_HOSTS", default=1, least=1)
TRAINING_HOST_RANK = site_env.count(env, "TRAINING_HOST_RANK", default=0)
TRAINING_RENDEZVOUS = site_env.meeting_place(env, "TRAINING_RENDEZVOUS", needed=TRAINING_HOSTS > 1)
TRAINING_PEER_TIMEOUT_S = site_env.at_least(env, "TRAINING_PEER_TIMEOUT_S", default=60, least=5)
# Megabytes of pixels that a training keeps in memory, those of more scans on the disk, sealed; 0: by the machine's memory.
TRAINING_CACHE_MB = site_env.count(env, "TRAINING_CACHE_MB", default=0)
# How much a training gives way to other programs, 0 to 19: grades and pages come first.
TRAINING_NICENESS = site_env.count(env, "TRAINING_NICENESS", default=10)
# What one answer of an ensemble may take; networks beyond it are trained and left out.
TRAINING_LATENCY_BUDGET_MS = site_env.count(env, "TRAINING_LATENCY_BUDGET_MS", default=500)
# Compiling takes a minute, which long trainings on a GPU earn back; a CPU never compiles.
TRAINING_COMPILE = site_env.switch(env, "TRAINING_COMPILE")
# Pictures of patients' scans in a store that is not encrypted: docs/decisions.md.
TRAINING_SHEET_IN_MLFLOW = site_env.switch(env, "TRAINING_SHEET_IN_MLFLOW")
TRAINING_CHECKPOINT_S = site_env.count(env, "TRAINING_CHECKPOINT_S", default=15)
# More than core.work.LONGEST_TASK_S has no effect.
TRAINING_TIME_LIMIT_S = site_env.count(env, "TRAINING_TIME_LIMIT_S", default=6 * 3600)

# Each stored object, and its copy in the backups, is read back once in so many days.
VERIFY_DAYS = max(1, site_env.count(env, "VERIFY_DAYS", default=28))

# Backups: daily and weekly while BACKUP_DIR is set (core.backup)
BACKUP_DIR = site_env.backup_dir(env.str("BACKUP_DIR", default=""), BASE_DIR, DATA_DIR)
BACKUP_RECIPIENTS_FILE = env.str("BACKUP_RECIPIENTS_FILE", default="")
_needed = bool(BACKUP_DIR and not BACKUP_RECIPIENTS_FILE) and not EMBEDDED and not RESTORING
BACKUP_RECIPIENTS = site_env.backup_recipients(env.list("BACKUP_RECIPIENTS", default=[]), needed=_needed)
# The hour of the day (UTC) at which backups are made.
BACKUP_HOUR = site_env.hour(env, "BACKUP_HOUR", default=1)
# A restore is rehearsed each week where the identity is on this machine; elsewhere somebody must within so many days.
DRILL_DAYS = max(1, site_env.count(env, "DRILL_DAYS", default=90))
DRILL_DIR = site_env.drill_dir(env.str("DRILL_DIR", default=""), BASE_DIR, DATA_DIR)
SCRAPE_TOKEN = env.str("METRICS_TOKEN", default="")
# Where the web processes of a machine keep their counts together.
METRICS_DIR = Path(env.str("METRICS_DIR", default="") or DATA_DIR / "metrics").expanduser()

# Without a mail server nothing is sent: a one-time link in a log would be good for whoever reads the log.
SENDS_MAIL = bool(env.str("EMAIL_URL", default=""))
vars().update(env.email_url_config(env.str("EMAIL_URL", default="") or "dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="") or "mediscan@localhost"

LOGGING = logs.config(site_env.one_of(env, "LOG_FORMAT", logs.FORMATS), env.str("LOG_LEVEL", default="") or "INFO")
# Where traces go (mediscan_site.tracing); empty: nowhere.
TRACES_TO = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
