"""The web processes: `python -m mediscan_site.front.gate --bind 127.0.0.1:8000`."""

import argparse
import os
import resource

import uvicorn
from django.conf import settings

from mediscan_site.front.metrics import shared

WORKERS = 2
GRACE_S = 10
# Longer than any client of ours pauses between two questions, so that none meets a connection that is just closing.
IDLE_S = 75
BACKLOG = 1024
MOST_FILES = 4096


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
    asked = _arguments()
    host, _, port = asked.bind.rpartition(":")
    _allow_files()
    if asked.workers == 1:
        # This process itself: there is nobody to share counts with.
        _serve(asked, host, port)
        return
    counted = shared.place(settings.METRICS_DIR, asked.bind)
    shared.begin(counted)
    try:
        _serve(asked, host, port)
    finally:
        shared.end(counted)


def _serve(asked: argparse.Namespace, host: str, port: str) -> None:
    uvicorn.run(
        "mediscan_site.asgi:application",
        host=host.strip("[]"),
        port=int(port),
        workers=asked.workers,
        http="mediscan_site.front.gate.protocol:GuardedProtocol",
        ws="none",
        lifespan="on",
        # The server itself trusts no header: settings.TRUSTED_PROXIES alone decides.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=asked.grace,
        # A worker under load is slow to say that it lives; it is not killed for it.
        timeout_worker_healthcheck=60,
        ssl_certfile=asked.certfile,
        ssl_keyfile=asked.keyfile,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1:8000")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--grace", type=int, default=GRACE_S, help="seconds that requests may take once asked to stop")
    parser.add_argument("--certfile", default=None)
    parser.add_argument("--keyfile", default=None)
    return parser.parse_args()


def _allow_files() -> None:
    """As many open files, and so connections, as the machine allows us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_FILES)), hard))


if __name__ == "__main__":
    main()
