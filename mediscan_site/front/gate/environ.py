"""A request as Django's WSGI side takes it. Nothing a client sends decides who it is: that is settings.TRUSTED_PROXIES' part."""

import sys
from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

# Put there by the gate and never by a header, whose names all begin with HTTP_: the view may ask to be continued later.
GATE = "mediscan.gate"
# Put there once the request is answered: the key of the account it came from, or None.
USER = "mediscan.user"
_PLAIN = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
# How the body travelled is settled once it is here.
_DROPPED = (b"transfer-encoding", b"expect")

Scope = Mapping[str, Any]


def environ(scope: Scope, body: BinaryIO, length: int) -> dict[str, Any]:
    host, port = scope.get("server") or ("localhost", 0)
    client = scope.get("client") or ("", 0)
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        GATE: True,
        **_headers(scope["headers"]),
        "CONTENT_LENGTH": str(length) if length else "",
    }


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields in CGI's names. One with an underscore could pass for another one with a hyphen: it is dropped."""
    fields: dict[str, str] = {}
    for name, raw in pairs:
        if b"_" in name or name in _DROPPED:
            continue
        key = _PLAIN.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        value = raw.decode("latin-1")
        joint = "; " if name == b"cookie" else ","
        fields[key] = f"{fields[key]}{joint}{value}" if key in fields else value
    return fields


def header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for known, value in scope["headers"] if known == name), None)
