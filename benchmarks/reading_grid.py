"""A person with three keys a second labels 200 scans in a grid, in headless Chromium on a real site: `make bench-reading-grid`.

A fifth of them has the rare class. The person chooses those of a page by arrow keys and space, presses the key of their class,
then chooses the rest and presses the other one. Each key takes a third of a second, whatever the site does meanwhile."""

import argparse
import io
import os
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from benchmarks import _common
from benchmarks._site_process import site

KEY_S = 1 / 3
COLUMNS = """() => { const tops = [...document.querySelectorAll("[data-tile]")].map((e) => e.getBoundingClientRect().top);
return tops.filter((top) => Math.abs(top - tops[0]) < 8).length }"""
TILES = """() => [...document.querySelectorAll("[data-tile]")].map((e) => Number(e.dataset.tile))"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--every", type=int, default=5, help="of so many scans one has the rare class")
    given = parser.parse_args()
    password = secrets.token_urlsafe(24)
    with site() as served:
        served.manage("create_user", "bench", "--role", "admin", MEDISCAN_PASSWORD=password)
        client = requests.Session()
        token = client.post(f"{served.root}/api/v1/auth/token/", json={"username": "bench", "password": password})
        client.headers["Authorization"] = f"Bearer {token.json()['access']}"
        project, rare = _fill(client, served.root, given.scans, given.every)
        figures = _read(served.root, password, project, rare, given.scans)
        stats = client.get(f"{served.root}/api/v1/projects/{project}/stats/").json()
    figures["wrong"] = abs(stats["classes"]["RARE"] - len(rare)) + stats["label_status"]["unlabeled"]
    _common.save("reading_grid", figures)


def _fill(client: requests.Session, root: str, scans: int, every: int) -> tuple[int, set[int]]:
    """A project with so many scans; which of them have the rare class."""
    from images.phantoms import phantom

    made = client.post(f"{root}/api/v1/projects/", json={"name": "grid", "classes": ["USUAL", "RARE"]}).json()["id"]

    def upload(number: int) -> tuple[int, bool]:
        is_rare = number % every == 0
        phantom(number, 0, is_rare).save(out := io.BytesIO(), "PNG")
        file = {"file": (f"{number}.png", out.getvalue())}
        answer = client.post(f"{root}/api/v1/images/", data={"project": made}, files=file)
        answer.raise_for_status()
        return int(answer.json()["id"]), is_rare

    with ThreadPoolExecutor(2) as pool:
        return made, {key for key, is_rare in pool.map(upload, range(scans)) if is_rare}


def _read(root: str, password: str, project: int, rare: set[int], scans: int) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        page = playwright.chromium.launch(executable_path=path, args=args).new_page()
        page.goto(f"{root}/login/?next=/projects/{project}/label/grid/")
        page.get_by_label("User name").or_(page.locator("[name=username]")).first.fill("bench")
        page.locator("[name=password]").fill(password)
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-tile]")
        began, keys = time.monotonic(), 0
        while tiles := page.evaluate(TILES):
            keys += _page(page, tiles, rare)
            page.wait_for_selector("[data-tile], [data-empty]:not([hidden])")
        spent = time.monotonic() - began
    return {"scans": scans, "seconds": round(spent, 1), "keys": keys, "seconds_for_200": round(spent / scans * 200, 1)}


def _page(page: Any, tiles: list[int], rare: set[int]) -> int:
    """What is on the page now: the rare ones, then the rest. How many keys that took."""
    columns, at, pressed = page.evaluate(COLUMNS), 0, 0
    page.keyboard.press("Home")
    for place in (place for place, key in enumerate(tiles) if key in rare):
        pressed += _press(page, *path(at, place, columns, len(tiles)), "Space")
        at = place
    pressed += _press(page, "2") if set(tiles) & rare else 0
    return pressed + _press(page, "a", "1")


def path(at: int, wanted: int, columns: int, count: int) -> list[str]:
    """The fewest arrow keys from one scan of a grid to a later one: down some rows, then along, over the end of a row too."""
    rows = min(
        (down for down in range(count) if at + down * columns < count),
        key=lambda down: down + abs(wanted - at - down * columns),
    )
    along = wanted - at - rows * columns
    return ["ArrowDown"] * rows + ["ArrowRight" if along > 0 else "ArrowLeft"] * abs(along)


def _press(page: Any, *keys: str) -> int:
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(KEY_S * 1000)
    return len(keys)


if __name__ == "__main__":
    main()
