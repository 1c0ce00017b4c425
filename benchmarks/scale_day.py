"""A mixed day for locust, in a virtual environment of its own (`make bench-scale`): nothing of the site is imported here.

Doctors list, look at scans, label, review, send new scans and ask for grades, with pauses as people make them. An answer that
tells a client to wait (429, 503 with Retry-After) is counted apart; 503 without it is an error."""

import itertools
import os
import random
import struct
import sys
import time
import zlib

from locust import HttpUser, between, events, task
from locust.exception import StopUser

PASSWORD = os.environ["MEDISCAN_PASSWORD"]
ACCOUNTS = os.environ["BENCH_ACCOUNTS"].split(",")
PROJECT = int(os.environ["BENCH_PROJECT"])
# A site that was made elsewhere may have nothing that answers.
GRADES = os.environ.get("BENCH_GRADES", "1") == "1"
_accounts = itertools.cycle(ACCOUNTS)
_numbers = itertools.count(random.randrange(10**9))
told_to_wait = {"429": 0, "503": 0}


def picture(number: int) -> bytes:
    """A grey PNG of 256 x 256 that nobody has sent before."""
    rows = b"".join(b"\0" + bytes((x * y + number) % 256 for x in range(256)) for y in range(256))

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 256, 256, 8, 0, 0, 0, 0)
    text = part(b"tEXt", f"n\0{number}".encode())
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + text + part(b"IDAT", zlib.compress(rows, 1)) + part(b"IEND", b"")
    )


class Doctor(HttpUser):
    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        who = {"username": next(_accounts), "password": PASSWORD}
        while (answer := self.ask("POST", "/api/v1/auth/token/", "log in", json=who)).status_code != 200:
            if answer.status_code in (400, 401, 403):
                raise StopUser
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access']}"
        self.scans, self.classes = [], ["NORMAL", "OPACITY"]
        answer = self.ask("GET", f"/api/v1/projects/{PROJECT}/", "project")
        if answer.status_code == 200:
            self.classes = answer.json()["classes"]
        self.list_scans()

    def ask(self, method: str, path: str, name: str, good: tuple[int, ...] = (200,), **sent: object):
        with self.client.request(method, path, name=name, catch_response=True, **sent) as answer:
            if answer.status_code in (429, 503) and "Retry-After" in answer.headers:
                told_to_wait[str(answer.status_code)] += 1
                answer.success()
            elif answer.status_code in good:
                answer.success()
            else:
                answer.failure(f"{answer.status_code}: {answer.text[:120]}")
            return answer

    @task(30)
    def list_scans(self) -> None:
        answer = self.ask("GET", f"/api/v1/images/?project={PROJECT}&page_size=50", "list of 50")
        if answer.status_code == 200:
            self.scans = [row["id"] for row in answer.json()["results"]] or self.scans

    @task(30)
    def view(self) -> None:
        if self.scans:
            pk = random.choice(self.scans)
            self.ask("GET", f"/api/v1/images/{pk}/", "scan")
            self.ask("GET", f"/api/v1/images/{pk}/thumbnail/", "thumbnail", good=(200, 404))

    def claim(self, kind: str) -> list[str]:
        wanted = {"project": PROJECT, "task": kind}
        claimed = self.ask("POST", "/api/v1/queue/claim/", f"claim to {kind}", good=(200, 204), json=wanted)
        return [row["image_id"] for row in claimed.json()["results"]] if claimed.status_code == 200 else []

    @task(15)
    def label(self) -> None:
        for code in self.claim("label"):
            sent = {"image": code, "label": random.choice(self.classes)}
            # Somebody else may have been quicker.
            self.ask("POST", "/api/v1/labels/", "label", good=(200, 201, 409), json=sent)

    @task(5)
    def review(self) -> None:
        for code in self.claim("review"):
            sent = {"image": code, "status": "approved"}
            self.ask("POST", "/api/v1/reviews/", "review", good=(200, 201, 403, 409), json=sent)

    @task(10)
    def upload(self) -> None:
        files = {"file": ("scan.png", picture(next(_numbers)), "image/png")}
        self.ask("POST", "/api/v1/images/", "upload", good=(201,), files=files, data={"project": PROJECT})

    @task(10)
    def grade(self) -> None:
        if GRADES:
            files = {"file": ("new.png", picture(next(_numbers)), "image/png")}
            data = {"project": PROJECT}
            self.ask("POST", "/api/v1/grades/?wait=10", "grade", good=(200, 201, 202), files=files, data=data)


@events.quitting.add_listener
def _tell(environment: object, **_options: object) -> None:
    for error in environment.stats.errors.values():
        print(f"ERROR {error.occurrences} x {error.name}: {str(error.error)[:200]!r}", file=sys.stderr, flush=True)
    print(f"TOLD_TO_WAIT {told_to_wait['429']} {told_to_wait['503']}", flush=True)
