"""HTTP: one question and its answer, over connections that stay open, asked again while that can help."""

import base64
import contextlib
import email.utils
import http.client
import json
import logging
import sys
import threading
import time
import zlib
from datetime import UTC, datetime
from email.message import Message
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from mediscan_bridge.running import Failed, Over, Refused, setting, stopping

log = logging.getLogger("bridge")
PAUSES_S = (1, 2, 5, 15, 30, 60)
TRIES = 5
LONGEST_PAUSE_S = 300
TRANSIENT = (408, 425, 429, 500, 502, 503, 504, 507)
# So MediScan answers when it has too much to do or no room: the file is not to blame.
FULL = (429, 503, 507)


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


class Server:
    """One side, asked over connections that stay open, one for each thread. `probe`: what it answers as long as it is well;
    with a status of `full` nothing is well."""

    def __init__(
        self, root: str, headers: dict[str, str], *, probe: str, patience_s: float, full: tuple[int, ...] = ()
    ) -> None:
        if urlsplit(root).scheme not in ("http", "https"):
            sys.exit(f"{root} is not an address: it begins with http:// or https://")
        self.root, self.headers, self._probe, self._full = root.rstrip("/"), headers, probe, full
        self._patience_s = patience_s
        self._timeout_s = float(setting("TIMEOUT_S", "60"))
        self._local = threading.local()
        self._well_at = 0.0

    def ask(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        body: list[bytes] | None = None,
        *,
        also: tuple[int, ...] = (),
    ) -> Answer:
        """The answer of success, or one of the statuses `also`. Tries again what may work again: for as long as the server is
        away, and TRIES times where it answers others (then Failed). Refused for any other answer, Over for 401 and redirects."""
        url, began, reason = f"{self.root}/{path}", time.monotonic(), ""
        for attempt in count(1):
            pause, status, tries = float(PAUSES_S[min(attempt, len(PAUSES_S)) - 1]), 0, TRIES
            try:
                answer = self._exchange(url, {**self.headers, **(headers or {})}, body)
                status = answer.status
                if status < 300 or status in also:
                    self._well_at = time.monotonic()
                    return answer
                if status not in TRANSIENT:
                    raise refusal(self.root, answer)
                reason = f"{status} {answer.body.decode(errors='replace').strip()[:120]}"
                pause = max(pause, retry_after(answer))
            except (OSError, http.client.HTTPException, zlib.error) as error:
                reason = f"{type(error).__name__} {error}"
                # A silent server costs TIMEOUT_S each time.
                tries = 2 if isinstance(error, TimeoutError) else TRIES
            if attempt >= tries and self._is_well(began, status):
                raise Failed(reason)
            if time.monotonic() - max(began, self._well_at) + pause > self._patience_s:
                raise Over(f"{self.root} is away: {reason}")
            log.warning("%s: %s. Again in %s s.", url.split("?")[0], reason, pause)
            if stopping.wait(pause):
                raise Over("It was told to end.")
        raise AssertionError("not reached")

    def json(self, path: str, accept: str = "application/json", *, also: tuple[int, ...] = ()) -> Any:
        """What the answer holds; None for an empty one and for the statuses `also`."""
        answer = self.ask(path, {"Accept": accept}, also=also)
        if answer.status in also or not answer.body.strip():
            return None
        try:
            return json.loads(answer.body)
        except ValueError:
            raise Failed(f"{path.split('?')[0]} is answered with what is not JSON: {answer.body[:80]!r}") from None

    def _is_well(self, began: float, status: int) -> bool:
        # Told to wait: however often, and whoever else is answered meanwhile, the file is not to blame.
        if status in self._full:
            return False
        if self._well_at > began:
            return True
        with contextlib.suppress(OSError, http.client.HTTPException, zlib.error):
            return self._exchange(f"{self.root}/{self._probe}", self.headers, None).status not in TRANSIENT
        return False

    def _exchange(self, url: str, headers: dict[str, str], body: list[bytes] | None) -> Answer:
        """One question and its answer; what is fetched may be elsewhere (redirects), where our secrets do not go."""
        for _ in range(5):
            answer = self._once(url, headers, body)
            target = answer.headers.get("Location")
            if body is not None or answer.status not in (301, 302, 303, 307, 308) or not target:
                return answer
            there = urljoin(url, target)
            if urlsplit(there)[:2] != urlsplit(url)[:2]:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = there
        raise http.client.HTTPException(f"{url} is redirected without an end")

    def _once(self, url: str, headers: dict[str, str], body: list[bytes] | None) -> Answer:
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        target = (
            url if proxy and parts.scheme == "http" else f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        )
        kept: dict[str, http.client.HTTPConnection] = self._local.__dict__.setdefault("kept", {})
        place = f"{parts.scheme}://{parts.netloc}"
        is_kept = place in kept
        connection = kept.pop(place, None) or connected(parts, proxy, self._timeout_s)
        try:
            method = "GET" if body is None else "POST"
            size = {} if body is None else {"Content-Length": str(sum(map(len, body)))}
            # Who refuses does not always read to the end, and has answered all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, body, {"User-Agent": "mediscan-bridge", **headers, **size})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, unpacked(response.headers, response.read()))
        except (ConnectionError, http.client.BadStatusLine):
            connection.close()
            if is_kept:  # closed by the server while nobody used it: no fault
                return self._once(url, headers, body)
            raise
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            kept[place] = connection
        return answer


def connected(parts: Any, proxy: str | None, timeout_s: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    if not proxy:
        return kind(parts.hostname, parts.port, timeout=timeout_s)
    there = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    made = kind(there.hostname or "", there.port or 3128, timeout=timeout_s)
    if parts.scheme == "https":
        made.set_tunnel(parts.hostname, parts.port or 443)
    return made


def unpacked(headers: Message, body: bytes) -> bytes:
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    return zlib.decompress(body, 47) if body and coding in ("gzip", "x-gzip", "deflate") else body


def retry_after(answer: Answer) -> float:
    """Seconds; 0 where nothing is said (RFC 9110 10.2.3: a number or a date)."""
    said, seconds = answer.headers.get("Retry-After", "").strip(), 0.0
    if said.isdecimal():
        seconds = float(said)
    elif said:
        with contextlib.suppress(ValueError, TypeError):
            seconds = (email.utils.parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), LONGEST_PAUSE_S)


def refusal(root: str, answer: Answer) -> Exception:
    refused = Refused(answer.status, answer.body)
    if answer.status == 401:
        return Over(f"{root} does not let this account in. {refused}")
    if answer.status // 100 == 3:
        return Over(f"{root} has moved to {answer.headers.get('Location')}: correct the address.")
    return refused


def source(probe: str, patience_s: float) -> Server:
    headers = {}
    if user := setting("SOURCE_USER", ""):
        secret = base64.b64encode(f"{user}:{setting('SOURCE_PASSWORD')}".encode()).decode()
        headers["Authorization"] = f"Basic {secret}"
    return Server(setting("SOURCE_URL"), headers, probe=probe, patience_s=patience_s)
