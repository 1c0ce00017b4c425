"""A caller of the HTTP API, as an integrator would write one."""

import time
from collections.abc import Callable
from typing import Any

import requests

TIMEOUT_S = 120
POLL_S = 0.5

Json = dict[str, Any]


class ApiError(Exception):
    """An answer that the step did not expect; says the status and the API's own words."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.request.method} {response.url}: {response.status_code} {response.text[:500]}")
        self.status = response.status_code
        self.code = _first_code(response)


def _first_code(response: requests.Response) -> str:
    try:
        return str(response.json()["errors"][0]["code"])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""


class Api:
    """The API as one user sees it. The access token is renewed when it has expired."""

    def __init__(self, base: str, username: str, password: str) -> None:
        self._base = base
        self._credentials = {"username": username, "password": password}
        self._session = requests.Session()
        self._log_in()

    def _log_in(self) -> None:
        answer = self._session.post(f"{self._base}/auth/token/", json=self._credentials, timeout=TIMEOUT_S)
        if answer.status_code != requests.codes.ok:
            raise ApiError(answer)
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self._base}/{path}"
        answer = self._session.request(method, url, timeout=TIMEOUT_S, **arguments)
        if answer.status_code == requests.codes.unauthorized:
            self._log_in()
            answer = self._session.request(method, url, timeout=TIMEOUT_S, **arguments)
        if not answer.ok:
            raise ApiError(answer)
        return answer

    def get(self, path: str, **params: Any) -> Json:
        answer: Json = self._send("GET", path, params=params).json()
        return answer

    def post(self, path: str, body: Json | None = None, *, files: Any = None) -> Json:
        payload: Json = {"data": body, "files": files} if files else {"json": body or {}}
        answer = self._send("POST", path, **payload)
        return answer.json() if answer.content else {}

    def download(self, path: str) -> bytes:
        return self._send("GET", path).content

    def wait_for(self, path: str, *, limit_s: float, on_progress: Callable[[Json], None]) -> Json:
        """Poll a job until it has ended; RuntimeError when it failed or time has run out."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            job = self.get(path)
            on_progress(job)
            if job["status"] == "succeeded":
                return job
            if job["status"] in ("failed", "cancelled"):
                raise RuntimeError(f"{path} {job['status']}: {job['error']}")
            time.sleep(POLL_S)
        raise RuntimeError(f"{path} did not end within {limit_s:.0f} s.")
