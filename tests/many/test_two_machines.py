"""A day of a site of two machines: database, broker, store and laboratory book by address, two workers of each queue, two web
processes, two beats. On demand: `make test-many DATABASE=… BROKER=…`."""

import contextlib
import dataclasses
import os
import subprocess
import sys

import pytest

from benchmarks.faults._calls import Caller
from benchmarks.faults._stage import Stage, stage, stock
from benchmarks.faults.beats import HOLDER
from benchmarks.faults.clocks import OPTIONS, another
from mediscan_site.front.supervisor import free_port

DATABASE, BROKER = os.environ.get("MEDISCAN_MANY_DATABASE"), os.environ.get("MEDISCAN_MANY_BROKER")
pytestmark = pytest.mark.skipif(not (DATABASE and BROKER), reason="make test-many starts a site of two machines")
QUEUES = ("grade", "io", "train")
DONE = """
from mediscan_site.celery import app
totals = app.control.inspect(timeout=20).stats() or {}
print(*sorted(name.partition("@")[0] for name, stats in totals.items() if sum(stats["total"].values())))
"""


@pytest.fixture(scope="module")
def made():
    with stage("services", DATABASE, BROKER, models=0) as one:
        yield one


@pytest.fixture(scope="module")
def second(made: Stage):
    """The other machine: its web process' address; workers and a beat run beside it, over a data folder of their own."""
    port = free_port()
    data = made.site.folder / "another" / "data"
    with contextlib.ExitStack() as stack:
        for queue in QUEUES:
            worker = ["worker", "-n", f"{queue}-two@%h", "-Q", queue, "--concurrency", "1", *OPTIONS]
            stack.enter_context(another(made, queue, worker))
        schedule = str(made.site.folder / "another" / "beat")
        stack.enter_context(another(made, "beat", ["beat", "--pidfile=", "--schedule", schedule]))
        gate = [sys.executable, "-m", "mediscan_site.front.gate", "--bind", f"127.0.0.1:{port}"]
        env = {**made.site.env, "MEDISCAN_DATA_DIR": str(data), "PORT": str(port)}
        process = subprocess.Popen(gate, cwd=made.site.checkout, env=env, start_new_session=True)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def test_what_one_machine_takes_the_other_shows_trains_and_grades(made, second):
    here, there = made.boss, Caller(second, "boss")
    there.get("projects/")
    uploads = [made.upload(one) for one in (here, there, here, there)]
    assert [one.status for one in uploads] == [201] * 4, uploads
    for one in uploads:
        assert here.get(f"images/{one.body['id']}/file/") == there.get(f"images/{one.body['id']}/file/")
    jobs = [made.bring_in(here, 20), made.bring_in(there, 20)]
    # A project trains one version at a time.
    beside = dataclasses.replace(made)
    stock(beside, "Beside", models=0)
    runs = [made.train(here, epochs=2), beside.train(there, epochs=2)]
    assert [there.ended(f"imports/{job['id']}/")["created"] for job in jobs] == [20, 20]
    trained = [here.ended(f"training-runs/{run['id']}/") for run in runs]
    assert [row["status"] for row in trained] == ["succeeded"] * 2, trained
    there.made(f"models/{trained[0]['model']}/deploy/", json={"override_reason": "two machines"})
    grades = [made.grade(one, wait=60) for one in (here, there) * 20]
    rows = [there.ended(f"grades/{row['id']}/") for row in grades]
    assert {(row["status"], row["model"]) for row in rows} == {("succeeded", trained[0]["model"])}


def test_both_machines_worked_and_one_beat_sends(made, second):
    did = made.python(DONE).split()
    assert {f"{queue}-two" for queue in QUEUES} <= set(did), did
    assert len(did) == 2 * len(QUEUES), did
    holder = made.python(HOLDER)
    assert holder
    assert made.python(HOLDER) == holder


def test_all_of_it_is_whole(made, second):
    made.verify()
