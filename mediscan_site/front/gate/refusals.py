"""What the gate itself answers, before Django has seen the request: in the shape of the API's errors, or in plain words."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus

from mediscan_site.core.errors import StorageFull

Headers = list[tuple[bytes, bytes]]


@dataclass
class Refused(Exception):
    """A request that is answered without having been read to its end."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str) -> tuple[Headers, bytes]:
        if path.startswith("/api/"):
            kind = "client_error" if self.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
            errors = [{"code": self.code, "detail": self.detail, "attr": None}]
            content_type, body = "application/json", json.dumps({"type": kind, "errors": errors}).encode()
        else:
            content_type, body = "text/plain; charset=utf-8", f"{self.detail}\n".encode()
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **self.headers,
        }
        return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()], body


def too_large(limit: int, *, remedy: str) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"The body is larger than {limit} bytes. {remedy}")


def busy(detail: str, *, seconds: int = 5) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, {"Retry-After": str(seconds)})


def full(error: StorageFull) -> Refused:
    return Refused(error.status, error.code, error.detail, {"Retry-After": str(error.retry_after)})


def too_slow() -> Refused:
    detail = "The body arrived too slowly and was given up. Send it again, in smaller pieces."
    return Refused(HTTPStatus.REQUEST_TIMEOUT, "too_slow", detail)
