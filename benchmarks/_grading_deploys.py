"""Two hundred deployments and rollbacks while grades are asked for twenty times a second: none may fail."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import _site_process

CHANGES = 200
PER_SECOND = 20
CLIENTS = 12


def figures(site: _site_process.Site, made: dict[str, Any]) -> dict[str, Any]:
    """`deploys_failed_requests`: grades and changes that were not answered as they should be, or whose answer names no version
    that was ever deployed."""
    watched = Watched(int(site.root.rpartition(":")[2]), made)
    thread = threading.Thread(target=watched.asking)
    thread.start()
    try:
        for number in range(CHANGES):
            watched.change(number)
    finally:
        watched.done.set()
        thread.join()
    for one in watched.failed[:5]:
        print("failed:", one)
    return {"deploys": CHANGES, "deploys_failed_requests": len(watched.failed), "deploys_grades": len(watched.models)}


class Watched:
    """What is asked of the site meanwhile, and what went wrong."""

    def __init__(self, port: int, made: dict[str, Any]) -> None:
        self._port, self._made, self.done = port, made, threading.Event()
        self.failed: list[tuple[str, int, bytes]] = []
        self.models: list[str] = []
        self._codes = {f"model{pk:03d}" for pk in made["models"]}
        rows = json.loads(_call(port, made, "GET", "images/?page_size=100")[1])["results"]
        self._scans = [row["image_id"] for row in rows]

    def asking(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            began, number = time.monotonic(), 0
            while not self.done.is_set():
                pool.submit(self.grade, number)
                number += 1
                time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))

    def grade(self, number: int) -> None:
        body = {"image": self._scans[number % len(self._scans)]}
        status, text = _call(self._port, self._made, "POST", "grades/?wait=60", body)
        answer = json.loads(text)
        named = answer.get("model")
        if status != 201 or answer["status"] != "succeeded" or named not in self._codes:
            self.failed.append(("grade", status, text[:300]))
        self.models.append(named)

    def change(self, number: int) -> None:
        if number % 3 == 2:
            path, body = "deployments/rollback/", {"project": self._made["project"]}
        else:
            path = f"models/{self._made['models'][number % 2]}/deploy/"
            body = {"override_reason": "measured"}
        status, text = _call(self._port, self._made, "POST", path, body)
        if status != 200:
            self.failed.append(("change", status, text[:300]))


def _call(port: int, made: dict[str, Any], method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"}
    connection.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text
