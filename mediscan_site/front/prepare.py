"""What must be in place before a site starts: tables, static files, the laboratory book. Quick when nothing changed."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from mediscan_site.core import start
from mediscan_site.core.storage import own_store
from models_registry.book import gateway


def prepare() -> None:
    own_store.require_no_strangers()
    call_command("check", databases=["default"])
    call_command("migrate", verbosity=0)
    start.require_own()
    _collect_static()
    gateway.ensure_store()


def _collect_static() -> None:
    """Collecting compresses some five hundred files; a stamp of what there is to collect saves doing it twice."""
    stamp, wanted = Path(settings.STATIC_ROOT) / ".collected", _static_digest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(wanted)


def _static_digest() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            facts = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
