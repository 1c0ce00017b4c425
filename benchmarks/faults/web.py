"""The web process that is asked to stop while people use it, and versions that change while grades are asked for."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from benchmarks.faults._calls import Answer
from benchmarks.faults._registry import fault, must
from benchmarks.faults._stage import Stage

PER_SECOND, SECONDS, STOPS = 50, 12, 3
GRADES_PER_SECOND, CHANGES = 20, 30
CLIENTS = 24


def _steadily(per_second: float, ended: threading.Event, ask) -> list:  # type: ignore[no-untyped-def,type-arg]
    """Ask so often a second, as callers come who do not wait for each other; what each got. Whoever has not come in when it
    ends, as the site is slower than that, does not ask any more."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        began, asked = time.monotonic(), []
        while not ended.is_set():
            asked.append(pool.submit(ask, len(asked)))
            time.sleep(max(0.0, began + len(asked) / per_second - time.monotonic()))
        begun = [one for one in asked if not one.cancel()]
        return [one.result() for one in begun]


@fault(
    "web-stopped",
    "SIGTERM for the web process at 50 requests a second",
    "Whole answers, 503, or nobody listens for a moment",
)
def web_stopped(stage: Stage) -> str:
    doctor = stage.doctor
    doctor.log_in()
    ended = threading.Event()

    def ask(number: int) -> Answer:
        if number % 10 == 0:
            return stage.upload(doctor)
        return doctor.ask("GET", f"images/?project={stage.project}&page_size=20")

    def stop() -> None:
        for _ in range(STOPS):
            time.sleep(SECONDS / STOPS)
            stage.signal("front.gate", signal.SIGTERM)
            stage.site.wait_until_up()
        ended.set()

    stopping = threading.Thread(target=stop)
    stopping.start()
    answers: list[Answer] = _steadily(PER_SECOND, ended, ask)
    stopping.join()
    odd = [one for one in answers if not (one.ok or one.status in (0, 429, 503))]
    must(not odd, f"{[(one.status, one.words) for one in odd[:3]]}")
    cut = [one for one in answers if one.status == 0 and one.body == "ChunkedEncodingError"]
    must(not cut, f"{len(cut)} answers were cut off")
    made = [one.body["id"] for one in answers if one.ok and "received_sha256" in one.body]
    for pk in made:
        stage.boss.get(f"images/{pk}/file/")
    away = sum(one.status == 0 for one in answers)
    return (
        f"{STOPS} stops, {len(answers)} requests: {sum(one.ok for one in answers)} whole answers ({len(made)} uploads, all there), "
        f"{away} found nobody, {len(answers) - away - sum(one.ok for one in answers)} told to come again"
    )


@fault("deploys", "Versions change while grades are asked for 20 times a second", "No grade and no change fails")
def deploys(stage: Stage) -> str:
    stage.have(2)
    boss, doctor = stage.boss, stage.doctor
    boss.log_in(), doctor.log_in()
    scans = [row["image_id"] for row in doctor.get(f"images/?project={stage.project}&page_size=100")["results"]]
    ended = threading.Event()

    # Another one than who changes: calls of one person take turns.
    def ask(number: int) -> Answer:
        return doctor.ask("POST", "grades/?wait=60", json={"image": scans[number % len(scans)]}, timeout=300)

    failed: list[str] = []

    def change() -> None:
        for number in range(CHANGES):
            body = {"override_reason": "faults"}
            answer = boss.ask("POST", f"models/{stage.models[number % 2]}/deploy/", json=body)
            if not answer.ok:
                failed.append(f"change {answer.status} {answer.words}")
            time.sleep(0.2)
        ended.set()

    changing = threading.Thread(target=change)
    changing.start()
    answers: list[Answer] = _steadily(GRADES_PER_SECOND, ended, ask)
    changing.join()
    rows = [doctor.ended(f"grades/{one.body['id']}/") if one.ok else {"status": one.words} for one in answers]
    failed += [str(row["status"]) for row in rows if row["status"] != "succeeded" or row["model"] not in stage.models]
    must(not failed, f"{len(failed)} failed: {failed[:3]}")
    return f"{CHANGES} changes, {len(rows)} grades, each answered by one of the two versions; none failed"


@fault(
    "loop-of-one",
    "One program asks without a pause for ten seconds",
    "Others are answered; it may get 429 with Retry-After",
)
def loop_of_one(stage: Stage) -> str:
    greedy, doctor = stage.boss, stage.doctor
    greedy.log_in(), doctor.log_in()
    ended = threading.Event()
    threading.Timer(10, ended.set).start()
    seen: list[int] = []

    def loop() -> None:
        while not ended.is_set():
            seen.append(greedy.ask("GET", f"images/?project={stage.project}").status)

    threads = [threading.Thread(target=loop) for _ in range(8)]
    for thread in threads:
        thread.start()
    others = []
    while not ended.is_set():
        others.append(doctor.ask("GET", "projects/"))
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    must(all(one.ok for one in others), f"{[(one.status, one.words) for one in others if not one.ok][:3]}")
    must(set(seen) <= {200, 429, 503}, f"{json.dumps(sorted(set(seen)))}")
    limited = sum(status != requests.codes.ok for status in seen)
    return f"{len(seen)} requests of one, {limited} put off; all {len(others)} of another answered"
