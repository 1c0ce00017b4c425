"""How long a process waits for the services around it. Nobody may wait for ever: a database, broker or store that answers
nothing must not take the threads that answer people. People wait seconds, work in the background longer."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mediscan_site import rabbitmq

# Set by wsgi.py and asgi.py: their process answers people.
ROLE: Final = "MEDISCAN_ROLE"
WEB: Final = "web"
WORKER: Final = "worker"
COMMAND: Final = "command"
# TCP's own search for a dead peer, in seconds: after so much silence, so often, so many times.
KEEPALIVE: Final = (30, 10, 3)


@dataclass(frozen=True)
class Patience:
    """Seconds: until a connection stands, until an answer comes (one statement), until somebody else's lock is given up."""

    connect: int
    answer: int
    lock: int


# A task has its own time limit; a command may be a migration of a large table.
OF_WORKERS: Final = Patience(connect=10, answer=300, lock=20)
OF_COMMANDS: Final = Patience(connect=10, answer=6 * 3600, lock=50)
# A wake-up is worth little: the sweeper sends it again.
BROKER_WEB_S: Final = 1.0
BROKER_S: Final = 10.0
# Up to twice each, for each call.
STORE_CONNECT_S: Final = 3
STORE_ANSWER_S: Final = 10


def role() -> str:
    """What this process does."""
    if given := os.environ.get(ROLE):
        return given
    return WORKER if Path(sys.argv[0]).name == "celery" else COMMAND


def chosen(answer: int, lock: int) -> Patience:
    """The patience of this process; `answer` and `lock` are those of a request (settings)."""
    others = {WORKER: OF_WORKERS, COMMAND: OF_COMMANDS}
    return others.get(role()) or Patience(connect=min(3, answer), answer=answer, lock=min(lock, answer))


def database(config: dict[str, Any], patience: Patience) -> dict[str, Any]:
    """Django's DATABASES entry with bounds. What the address itself names (`?connect_timeout=20`) stays."""
    limits = {"sqlite3": _sqlite, "mysql": _mysql, "postgresql": _postgres}
    limit = limits[str(config["ENGINE"]).rpartition(".")[2]]
    return limit(config, dict(config["OPTIONS"]), patience)


def _sqlite(config: dict[str, Any], options: dict[str, Any], patience: Patience) -> dict[str, Any]:
    options["timeout"] = min(float(options["timeout"]), patience.lock)
    return {**config, "OPTIONS": options, "ENGINE": "mediscan_site.core.sqlite3"}


def _mysql(config: dict[str, Any], options: dict[str, Any], patience: Patience) -> dict[str, Any]:
    options.setdefault("connect_timeout", patience.connect)
    options.setdefault("read_timeout", patience.answer)
    options.setdefault("write_timeout", patience.answer)
    # A statement whose caller has left is ended by the server too; only MariaDB reads what stands in /*M! */.
    ended = f" /*M!100100 , max_statement_time={patience.answer} */"
    options["init_command"] += f", innodb_lock_wait_timeout={patience.lock}{ended}"
    return {**config, "OPTIONS": options}


def _postgres(config: dict[str, Any], options: dict[str, Any], patience: Patience) -> dict[str, Any]:
    idle, interval, count = KEEPALIVE
    options.setdefault("connect_timeout", patience.connect)
    options.setdefault("keepalives_idle", idle)
    options.setdefault("keepalives_interval", interval)
    options.setdefault("keepalives_count", count)
    options.setdefault("tcp_user_timeout", min(patience.answer, idle + interval * count) * 1000)
    limits = f"-c lock_timeout={patience.lock}s -c statement_timeout={patience.answer}s"
    options["options"] = f"{limits} {options.get('options', '')}".strip()
    # Both are the server's: a server that answers nothing keeps neither, so the connection has its own.
    return {**config, "OPTIONS": options, "ENGINE": "mediscan_site.core.postgresql", "ANSWER_S": patience.answer + 1}


def broker_wait() -> float:
    """Seconds for a connection to the broker, and for what it answers. It may be spent twice: once for each of them."""
    return BROKER_WEB_S if role() == WEB else BROKER_S


def broker(url: str, options: dict[str, Any]) -> dict[str, Any]:
    """Celery's transport options with bounds."""
    wait, once = broker_wait(), {"max_retries": 0} if role() == WEB else {}
    if url.startswith("redis"):
        return {"socket_connect_timeout": wait, "socket_timeout": wait, "socket_keepalive": True, **once, **options}
    if rabbitmq.speaks(url) and once:
        # A worker waits for its next message on the same socket.
        return {"connect_timeout": wait, "read_timeout": wait, "write_timeout": wait, **once, **options}
    return options


def object_store() -> Any:
    """What boto3 waits for an object store: its own bounds are a minute each, five times over."""
    # Only sites with such a store load boto3.
    from botocore.config import Config  # type: ignore[import-untyped]

    retries = {"total_max_attempts": 2, "mode": "standard"}
    return Config(connect_timeout=STORE_CONNECT_S, read_timeout=STORE_ANSWER_S, retries=retries)
