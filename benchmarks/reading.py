"""From the key to the next scan painted, beside an older commit, and 100 labels over a bad line: `make bench-reading BASE=folder`.

Both checkouts serve at the same time, each a site of its own with the same pictures and 10,000 scans in the project. One reader in
Chromium labels on both, in turns of a few scans; a figure is the median over all presses, the ratio that of the medians. Painted
means: the scan named on the page is another one, its picture is decoded and a frame was drawn with it.

With `--line` this checkout's reader then gives 100 labels by keyboard while the line is cut twice and the session ends once."""

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import _common

SEED = Path(__file__).with_name("_reading_seed.py")
TURN = 5
# Works on pages of both: which scan is named, and whether its picture is there. Old pages show an <img>, new ones a canvas.
WATCH = """() => {
    const named = () => document.querySelector("main h1")?.textContent.trim();
    window.nextPainted = () => new Promise((resolve, reject) => {
        const was = named();
        setTimeout(() => reject(new Error(`no next scan after ${was}`)), 60000);
        let begun = 0;
        const drawn = () => requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
        const look = async () => {
            if (named() === was || !document.querySelector("[data-viewer]")) return;
            seen.disconnect();
            const viewer = document.querySelector("[data-viewer]");
            if (!("viewer" in viewer.dataset) || viewer.dataset.viewer === "") {
                await viewer.querySelector("img").decode();
                drawn();
                return;
            }
            const there = () => viewer.dataset.painted === document.querySelector("[name=image]").value;
            if (there()) drawn();
            else viewer.addEventListener("viewer:painted", () => there() && drawn());
        };
        const seen = new MutationObserver(look);
        seen.observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
        document.addEventListener("keydown", () => { begun = performance.now(); }, { once: true, capture: true });
    });
}"""


@dataclass
class Side:
    """A served checkout and the reader's window on it."""

    name: str
    port: int
    seed: dict[str, Any]
    password: str
    page: Any = None
    milliseconds: list[float] = field(default_factory=list)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self, browser: Any) -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": self.seed["cookie"], "value": self.seed["session"], "url": self.root}])
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self.page.goto(f"{self.root}/projects/{self.seed['project']}/label/")
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate(WATCH)

    def press(self, key: str, pause_s: float, then: Callable[[], None] = lambda: None) -> float:
        """Milliseconds until the next scan is painted. `then`: what happens between the key and that."""
        # A window behind others draws no frames.
        self.page.bring_to_front()
        time.sleep(pause_s)
        self.page.evaluate("() => { window.painted = window.nextPainted(); window.painted.catch(() => {}); }")
        self.page.keyboard.press(key)
        then()
        return float(self.page.evaluate("() => window.painted"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="the older checkout, as a folder")
    parser.add_argument("--data", type=Path, help="a folder of real scans; without it: phantoms")
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--pause", type=float, default=0.6, help="seconds for which the reader looks at a scan")
    parser.add_argument("--line", action="store_true", help="also 100 labels over a line that is cut")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="mediscan-bench-") as name:
        folder, pictures = Path(name), given.presses + (120 if given.line else 20)
        with (
            _side("ours", folder, _common.ROOT, given, pictures) as ours,
            _side("theirs", folder, given.base.resolve(), given, pictures) as theirs,
            _chromium() as browser,
        ):
            for side in (ours, theirs):
                side.open(browser)
            figures = _measured(ours, theirs, given)
            print(json.dumps(figures), flush=True)
            if given.line:
                figures |= _over_a_bad_line(ours)
    _common.save("reading", figures)


def _measured(ours: Side, theirs: Side, given: argparse.Namespace) -> dict[str, Any]:
    for turn in range(given.presses // TURN + 1):
        # Who is first is worth something on a busy machine: they take turns.
        for side in (ours, theirs) if turn % 2 else (theirs, ours):
            times = [side.press("123"[number % 3], given.pause) for number in range(TURN)]
            side.milliseconds += times if turn else []  # the first turn warms up
    median = {side.name: statistics.median(side.milliseconds) for side in (ours, theirs)}
    return {
        "key_to_painted_ms": round(median["ours"], 1),
        "key_to_painted_ms_before": round(median["theirs"], 1),
        "key_to_painted_vs_before": round(median["ours"] / median["theirs"], 3),
        "presses": len(ours.milliseconds),
        "scans": ours.seed["scans"],
    }


@contextmanager
def _side(name: str, folder: Path, root: Path, given: argparse.Namespace, pictures: int) -> Iterator[Side]:
    """A site of the checkout `root` in a folder of its own; the commands are those of any version."""
    password = secrets.token_urlsafe(24)
    env = {
        **dict.fromkeys(_common.FOREIGN, ""),
        "MEDISCAN_DATA_DIR": str(folder / name),
        "MEDISCAN_KEYS_FILE": str(folder / f"{name}-keys" / "keys.json"),
        "MEDISCAN_PASSWORD": password,
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "LOG_LEVEL": "ERROR",
    }
    whole = {**os.environ, **env, "PYTHONPATH": str(root)}
    asked = [sys.executable, str(SEED), str(pictures), str(given.scans), str(given.data or "")]
    made = subprocess.run(asked, cwd=root, env=whole, check=True, stdout=subprocess.PIPE, text=True)
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(collect, cwd=root, env=whole, check=True)
    gate = (root / "mediscan_site" / "front" / "gate").is_dir()
    options = ("mediscan_site.front.gate",) if gate else ("gunicorn", "mediscan_site.wsgi", "--threads", "8")
    with _common.web_process(*options, root=root, **env) as port:
        yield Side(name, port, json.loads(made.stdout.splitlines()[-1]), password)


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("There is no Chromium on this machine (Debian: apt-get install chromium).")
    args = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=args)
        yield browser
        browser.close()


def _over_a_bad_line(side: Side) -> dict[str, Any]:
    """100 labels; the line is cut before the 20th and the 60th, the session ended before the 40th. What was pressed about which
    scan is compared with what the site has. The picture of one scan is there ahead: the second one comes when the line is back."""
    page, given = side.page, {}
    before = _labels(side)
    for number in range(100):
        if number in (20, 60):
            page.context.set_offline(True)
        if number == 40:
            _drained(page)
            page.context.clear_cookies(name=side.seed["cookie"])
        scan = page.evaluate("() => document.querySelector('.desk-head h1').textContent")
        given[scan] = "123"[number % 3]
        back = number in (21, 61)
        side.press(given[scan], 0.3, (lambda: page.context.set_offline(False)) if back else lambda: None)
        if back:
            _drained(page)
        if number == 40:
            _sign_in(side)
    _drained(page)
    found = {code: key for code, key in _labels(side).items() if code not in before}
    lost = [code for code in given if code not in found]
    wrong = [code for code in found if given.get(code) != found[code]]
    return {"labels_given": len(given), "labels_lost": len(lost), "labels_doubled_or_wrong": len(wrong)}


def _drained(page: Any) -> None:
    page.wait_for_function("() => !Object.keys(sessionStorage).some((key) => key.startsWith('desk:'))")


def _sign_in(side: Side) -> None:
    page = side.page
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log in again in a new tab").click()
    login = opened.value
    login.fill("[name=username]", "reader")
    login.fill("[name=password]", side.password)
    login.keyboard.press("Enter")
    login.wait_for_url(f"{side.root}/")
    login.close()
    page.bring_to_front()
    page.evaluate("() => { window.dispatchEvent(new Event('focus')); }")
    _drained(page)


def _labels(side: Side) -> dict[str, str]:
    """Of each labelled scan, the key that its class has; two labels of one scan give a key that nobody pressed."""
    import requests

    tokens = requests.post(
        f"{side.root}/api/v1/auth/token/", json={"username": "reader", "password": side.password}, timeout=60
    ).json()
    headers = {"Authorization": f"Bearer {tokens['access']}"}
    keys = {"NORMAL": "1", "PNEUMONIA": "2", "EFFUSION": "3"}
    found: dict[str, str] = {}
    address = f"{side.root}/api/v1/labels/?page_size=100"
    while address:
        answer = requests.get(address, headers=headers, timeout=60).json()
        for row in answer["results"]:
            found[row["image"]] = found.get(row["image"], "") + keys[row["label"]]
        address = answer.get("next")
    return found


if __name__ == "__main__":
    main()
