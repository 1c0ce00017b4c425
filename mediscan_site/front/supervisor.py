"""The site's programs on one machine, under supervisord: what dies is started again, Ctrl-C stops all."""

import os
import shlex
import socket
import sys
from pathlib import Path

from django.conf import settings

from mediscan_site.front import certificate

CONFIG = Path(settings.BASE_DIR) / "mediscan_site" / "supervisord.conf"


def command() -> list[str]:
    return [str(Path(sys.executable).parent / "supervisord"), "-c", str(CONFIG)]


def environment(port: int) -> dict[str, str]:
    """What the configuration refers to, and the settings that the programs must share with this process."""
    return {
        **os.environ,
        "MEDISCAN_HOME": str(settings.BASE_DIR),
        "MEDISCAN_BIN": str(Path(sys.executable).parent),
        "MEDISCAN_BIND": f"{settings.BIND}:{port}",
        "MEDISCAN_WEB_TLS": web_tls(),
        "MEDISCAN_DATA_DIR": str(settings.DATA_DIR),
        "MEDISCAN_KEYS_FILE": str(settings.KEYS_FILE),
        "GRADE_WORKERS": str(settings.GRADE_WORKERS),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def web_tls() -> str:
    """What the web server's command line has for https: nothing where a proxy does it. OpenSSL here speaks TLS 1.2 and later."""
    served = certificate.ready()
    if served is None:
        return ""
    return shlex.join(["--certfile", str(served.certificate), "--keyfile", str(served.key)])


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
