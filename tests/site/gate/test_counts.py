"""What the web processes count is one number, whichever of them is asked; and one caller's loop is not the others' trouble."""

import re
import threading
import time

import requests

from tests.conftest import PATIENCE_S

SCRAPE = {"Authorization": "Bearer scrape"}


def scraped(web) -> str:
    answer = requests.get(f"{web.root}/metrics", headers=SCRAPE, timeout=PATIENCE_S)
    assert answer.status_code == 200
    return answer.text


def sample(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


ANSWERED = 'django_http_responses_total_by_status_total{status="404"}'
REFUSED = "mediscan_sign_in_failures_total"


def test_counts_are_the_sum_over_all_processes_whichever_answers(web):
    before = scraped(web)
    for _ in range(40):
        assert requests.get(f"{web.root}/nothing/here/", timeout=PATIENCE_S).status_code == 404
    for _ in range(3):
        requests.post(
            f"{web.root}/api/v1/auth/token/", json={"username": "nobody", "password": "x"}, timeout=PATIENCE_S
        )
    texts = [scraped(web) for _ in range(6)]
    assert {sample(text, ANSWERED) - sample(before, ANSWERED) for text in texts} == {40.0}
    assert {sample(text, REFUSED) - sample(before, REFUSED) for text in texts} == {3.0}
    files = list((web.data / "metrics").glob("*/counter_*.db"))
    assert len(files) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_what_is_read_from_the_database_is_there_once(web):
    lines = scraped(web).splitlines()
    for name in ("mediscan_notices", "mediscan_disk_room_bytes", 'mediscan_queue_length{kind="grade"}'):
        assert len([line for line in lines if line.startswith(f"{name} ")]) == 1, name
    # Each request is counted where it is: the scrape itself has the one thread of its lane.
    assert 'mediscan_lane_requests{lane="probes"} 1.0' in lines


def seconds_of(url: str, headers: dict[str, str], times: int) -> list[float]:
    session, found = requests.Session(), []
    for _ in range(times):
        began = time.monotonic()
        assert session.get(url, headers=headers, timeout=PATIENCE_S).status_code == 200
        found.append(time.monotonic() - began)
    return sorted(found)


def test_one_callers_loop_over_32_connections_is_not_the_others_trouble(web):
    """The list as a file is the most expensive one. The bounds are wide, for a machine that runs other tests; without turns and
    limits the other's requests stand behind 32 others each."""
    greedy, other = ({"Authorization": f"Bearer {web.token(name)}"} for name in ("boss", "other"))
    page = f"{web.root}/api/v1/projects/"
    alone = seconds_of(page, other, 40)
    ended, statuses = threading.Event(), []

    def loop() -> None:
        session = requests.Session()
        while not ended.is_set():
            statuses.append(session.get(f"{page}?format=csv", headers=greedy, timeout=PATIENCE_S).status_code)

    threads = [threading.Thread(target=loop) for _ in range(32)]
    for thread in threads:
        thread.start()
    try:
        # Once what may come at once is spent.
        deadline = time.monotonic() + PATIENCE_S
        while statuses.count(429) < 32 and time.monotonic() < deadline:
            time.sleep(0.2)
        beside = seconds_of(page, other, 40)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200, 429}
    assert beside[37] < 5 * alone[37] + 1.0, (alone[37], beside[37])
