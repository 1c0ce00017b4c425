"""Who gets in, and as whom."""

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import requests

from benchmarks._security import PASSWORD, PATIENCE_S, Failed, World, check, must

OPEN = {"/healthz", "/readyz", "/api/v1/auth/token/", "/api/v1/auth/token/refresh/", "/api/v1/auth/logout/"}
METHODS = {"get", "post", "put", "patch", "delete"}


def routes(world: World) -> list[tuple[str, str]]:
    """Every method and path of the running schema, with existing ids in them."""
    schema = world.person("boss").json("GET", "/api/schema/?format=json")
    ids = {r"\{project\}": str(world.project), r"(?<=permissions/)\{\w+\}": "upload_image"}
    return [
        (method.upper(), filled(path, ids))
        for path, methods in schema["paths"].items()
        for method in methods
        if method in METHODS
    ]


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = re.sub(name, value, path)
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


@check("access.nobody", "every call of the API without a log-in", "401")
def nobody(world: World) -> str:
    calls = [(method, path) for method, path in routes(world) if path not in OPEN]
    for method, path in calls:
        answer = requests.request(method, world.place.root + path, timeout=PATIENCE_S, allow_redirects=False)
        must(answer.status_code == requests.codes.unauthorized, f"{method} {path}: {answer.status_code}")
    return f"{len(calls)} calls"


@check(
    "access.outsider",
    "a project and its scans, asked for by a doctor who is no member",
    "404, as for what does not exist",
)
def outsider(world: World) -> str:
    person, pk = world.person("outsider"), world.scans[0]
    paths = [f"projects/{world.project}/", f"projects/{world.project}/stats/", f"projects/{world.project}/members/"]
    paths += [f"images/{pk}/{part}" for part in ("", "file/", "thumbnail/", "rendition/", "timeline/")]
    for path in paths:
        other = path.replace(str(pk if "images" in path else world.project), "987654321")
        answer, missing = person.call("GET", path), person.call("GET", other)
        must(answer.status_code == requests.codes.not_found, f"{path}: {answer.status_code}")
        must(answer.content == missing.content, f"{path}: the answer tells that it exists")
    for path in (f"images/?project={world.project}", f"labels/?project={world.project}", "history/", "imports/"):
        answer = person.call("GET", path)
        rows = answer.json().get("results", []) if answer.ok else []
        must(answer.status_code < 500 and not rows, f"{path}: {answer.status_code} {answer.text[:100]}")
    return f"{len(paths)} paths, 4 lists"


@check("access.roles", "what administrators do, asked for by a member", "403 or 404, and nothing changed")
def roles(world: World) -> str:
    person, pk = world.person("author"), world.scans[0]
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "users/", {}),
        ("POST", "users/", {"username": "mallory"}),
        ("POST", "projects/", {"name": "x", "classes": ["a", "b"]}),
        ("PATCH", f"projects/{world.project}/", {"four_eyes": False}),
        ("DELETE", f"images/{pk}/", {}),
        ("GET", "audit/", {}),
        ("POST", f"projects/{world.project}/members/", {"user": "outsider"}),
        ("POST", "training-runs/", {"project": world.project}),
        ("POST", f"projects/{world.project}/erase-patient/", {"patient": "P0", "reason": "none at all"}),
    ]
    for method, path, body in calls:
        answer = person.call(method, path, json=body)
        must(answer.status_code in (403, 404), f"{method} {path}: {answer.status_code}")
    me = person.json("GET", "users/me/")
    for value in (True, "true", 1, "on", "admin"):
        for name in ("is_staff", "is_superuser", "role", "is_active", "groups"):
            person.call("PATCH", f"users/{me['id']}/", json={name: value})
    must(person.json("GET", "users/me/") == me, "an account changed its own rights")
    return f"{len(calls)} calls, 25 attempts on the own account"


@check("access.forged-tokens", "access tokens that the site did not make", "401")
def forged(world: World) -> str:
    from mediscan_site.core.storage.keys import KeyRing

    good = world.person("author").log_in()
    key = KeyRing.load(_keys(world)).jwt_key.hex()
    claims = jwt.decode(good["access"], options={"verify_signature": False})
    header, body, signature = good["access"].split(".")
    admin = world.person("boss").json("GET", "users/me/")["id"]
    other = {**claims, "user_id": str(admin)}
    forgeries = {
        "alg none": _unsigned(claims),
        "another key": jwt.encode(claims, "x" * 64, "HS256"),
        "HS384": jwt.encode(claims, key, "HS384"),
        "HS512": jwt.encode(claims, key, "HS512"),
        "expired": jwt.encode({**claims, "exp": int(time.time()) - 3600}, key, "HS256"),
        "another issuer": jwt.encode({**claims, "iss": "other"}, key, "HS256"),
        "another audience": jwt.encode({**claims, "aud": "x"}, key),
        "edited user": f"{header}.{_part(other)}.{signature}",
        "no signature": f"{header}.{body}.",
        "refresh as access": good["refresh"],
        "kid": jwt.encode(claims, "k" * 64, "HS256", headers={"kid": "/dev/null"}),
        "jku": jwt.encode(claims, "k" * 64, headers={"jku": "http://x"}),
        "not a token": "a.b.c",
    }
    for name, token in forgeries.items():
        answer = requests.get(
            f"{world.place.root}/api/v1/users/me/", headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S
        )
        must(answer.status_code == requests.codes.unauthorized, f"{name}: {answer.status_code}")
    return f"{len(forgeries)} forgeries"


def _keys(world: World) -> Any:
    from pathlib import Path

    return Path(world.place.env["MEDISCAN_KEYS_FILE"])


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unsigned(claims: dict[str, Any]) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


@check(
    "access.refresh-race",
    "one refresh token used six times at once, ten times over",
    "exactly one success; a replay ends all",
)
def refresh_race(world: World) -> str:
    person, url = world.person("colleague"), f"{world.place.root}/api/v1/auth/token/refresh/"
    for _ in range(10):
        token = person.log_in()["refresh"]
        with ThreadPoolExecutor(6) as pool:
            sent = [pool.submit(requests.post, url, json={"refresh": token}, timeout=PATIENCE_S) for _ in range(6)]
            answers = [future.result() for future in sent]
        statuses = sorted(answer.status_code for answer in answers)
        must(statuses == [200] + [401] * 5, f"answers {statuses}")
    return "10 rounds of 6"


@check("access.lock-out", "wrong passwords for one name", "429 with Retry-After, whatever address the client claims")
def lock_out(world: World) -> str:
    url = f"{world.place.root}/api/v1/auth/token/"
    for number in range(12):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        body = {"username": "outsider", "password": "wrong"}
        answer = requests.post(url, json=body, headers=headers, timeout=PATIENCE_S)
        if answer.status_code == requests.codes.too_many:
            must(answer.headers.get("Retry-After"), "429 without Retry-After")
            return f"after {number + 1} attempts"
    raise Failed("twelve wrong passwords, and no end")


@check("pages.csrf-csp-host", "pages: forged requests, scripts, other host names", "403; one strict policy; 400")
def pages(world: World) -> str:
    root = world.place.root
    session = requests.Session()
    page = session.get(f"{root}/login/", timeout=PATIENCE_S)
    policy = page.headers["Content-Security-Policy"]
    must("unsafe" not in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy, policy)
    must(page.headers.get("X-Content-Type-Options") == "nosniff", "no nosniff")
    form = {"username": "boss", "password": PASSWORD}
    for token, origin in (("", root), ("x" * 64, root), (session.cookies["csrftoken"], "http://evil.example")):
        headers = {"Origin": origin, "X-CSRFToken": token}
        answer = session.post(
            f"{root}/login/", data={**form, "csrfmiddlewaretoken": token}, headers=headers, timeout=PATIENCE_S
        )
        must(answer.status_code == requests.codes.forbidden, f"token {token[:4]!r} from {origin}: {answer.status_code}")
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1@evil.example"):
        answer = requests.get(f"{root}/login/", headers={"Host": host}, timeout=PATIENCE_S)
        must(answer.status_code == requests.codes.bad_request, f"Host {host}: {answer.status_code}")
    return "3 forgeries, 3 hosts"
