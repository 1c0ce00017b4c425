"""Pictures of every page, light and dark, on a telephone and on a large screen, into docs/screenshots: `make screenshots`.

A site of its own is filled through the API and the services with people, drawn scans and a model that it trains; then Chromium
opens each page. `--axe` also has axe-core look at each of them and fails if it finds anything."""

import argparse
import io
import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from PIL import Image

from benchmarks._common import ROOT
from benchmarks._screenshots_pages import PAGES
from benchmarks._site_process import Site, site

FOLDER: Final = ROOT / "docs" / "screenshots"
# What all pictures may have together; the best quality that keeps to it is taken.
MOST_BYTES: Final = 3_000_000
QUALITIES: Final = (60, 32, 24, 18, 12)
# The README's, which are kept whole.
BEST: Final = ("dashboard-light", "label-light", "label-grid-dark", "model-light", "grade-answer-dark")
EPOCHS: Final = 14
# What lies below the window is loaded lazily, and its decoding would never end.
DONE: Final = """async () => {
  await document.fonts.ready;
  const seen = (e) => e.checkVisibility() && e.getBoundingClientRect().top < innerHeight;
  const decoded = Promise.all([...document.images].filter(seen).map((e) => e.decode().catch(() => 0)));
  await Promise.race([decoded, new Promise((done) => setTimeout(done, 10_000))]);
}"""
PAINTED: Final = """() => [...document.querySelectorAll("[data-viewer]")].every(
  (viewer) => !viewer.dataset.viewer || !viewer.checkVisibility() || viewer.dataset.painted !== undefined)"""


@dataclass(frozen=True)
class Look:
    """`scale`: how much smaller the picture is kept. `axe`: whether axe-core looks, too."""

    suffix: str
    theme: str
    width: int
    height: int
    scale: float = 1.0
    axe: bool = False


LOOKS: Final = (
    Look("-light", "light", 1280, 800, scale=0.75, axe=True),
    Look("-dark", "dark", 1280, 800, scale=0.75, axe=True),
    Look("-phone", "light", 390, 844, scale=0.7),
    Look("-wide", "light", 2560, 1300, scale=0.25),
)


@dataclass
class Filled:
    """A site with material: where it is, what it has, and a session for each person."""

    root: str
    made: dict[str, Any]
    sessions: dict[str, str]
    cookie: str
    pictures: dict[str, Image.Image] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axe", action="store_true", help="look for what keeps people with disabilities out, too")
    parser.add_argument(
        "--only", default="", help="only pages whose name contains this; nothing is written then but them"
    )
    given = parser.parse_args()
    with site() as served:
        filled = fill(served)
        shoot(filled, axe=given.axe, only=given.only)
    written = keep(filled.pictures, FOLDER, everything=not given.only)
    print(f"{len(filled.pictures)} pictures, {written / 1e6:.2f} MB, in {FOLDER}")
    for finding in filled.found:
        print(finding)
    sys.exit(1 if filled.found else 0)


def fill(served: Site) -> Filled:
    """The chest project goes through the demo's own steps; people and the other projects are there before it, new work after."""
    from mediscan_site.front.demo.client import Api
    from mediscan_site.front.demo.scans import sample_data
    from mediscan_site.front.demo.steps import STEPS, Story

    secret = secrets.token_urlsafe(24)
    made = _seeded(served, "people", MEDISCAN_PASSWORD=secret)
    people = (Api(f"{served.root}/api/v1", name, secret) for name in ("r.lind", "a.rossi", "j.novak"))
    story = Story(*people, sample_data(), tell=lambda share, note: None)
    story.project = story.admin.get(f"projects/{made['projects']['chest']}/")
    for name, step in STEPS:
        if name != "create project":
            print(f"{name}: {(_train if name == 'train' else step)(story)}", flush=True)
    made |= _seeded(served, "work") | {"model": story.model["id"], "import": story.batch["id"]}
    made |= {"grade": story.grades[0]["id"], "scan": story.grades[0]["image"]}
    told = _seeded(served, "sessions")
    return Filled(served.root, made | told["rows"], told["sessions"], told["cookie"])


def _train(story: Any) -> str:
    """Shorter than the demo's: a picture needs a model that has learned something, not the best one."""
    from mediscan_site.front.demo.steps import TRAIN_LIMIT_S, freeze

    asked = {"project": story.pk, "dataset": freeze(story)["id"], "members": 1, "epochs": EPOCHS}
    run = story.admin.post("training-runs/", asked)
    done = story.admin.wait_for(f"training-runs/{run['id']}/", limit_s=TRAIN_LIMIT_S, on_progress=lambda row: None)
    story.model = story.admin.get(f"models/{done['model']}/")
    return str(story.model["model_id"])


def _seeded(served: Site, part: str, **env: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks._screenshots_seed", part]
    given = {**served.env, **env}
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The site could not be filled:\n{done.stderr[-3000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def shoot(filled: Filled, *, axe: bool = False, only: str = "", full: bool = False) -> None:
    """Each page is opened once, as its person sees it; then its window and its theme change."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=args)
        windows: dict[str, Any] = {}
        for name, person, address, keys in PAGES:
            if only not in name:
                continue
            if person not in windows:
                windows[person] = _window(browser, filled, person)
            page = windows[person]
            if fault := _fault(page, filled.root + address.format(**filled.made), keys):
                filled.found.append(f"{name}: {fault}")
            for look in LOOKS:
                filled.pictures[name + look.suffix] = _picture(page, look, full=full)
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    filled.found.append(f"{name}{look.suffix}: wider than its window")
                if axe and look.axe:
                    filled.found += [f"{name}{look.suffix}: {said}" for said in findings(page)]
        browser.close()


def _window(browser: Any, filled: Filled, person: str) -> Any:
    context = browser.new_context(reduced_motion="reduce")
    if person:
        context.add_cookies([{"name": filled.cookie, "value": filled.sessions[person], "url": filled.root}])
    return context.new_page()


def _fault(page: Any, address: str, keys: tuple[str, ...]) -> str:
    """Open it; what is wrong with it, if anything."""
    page.set_viewport_size({"width": LOOKS[0].width, "height": LOOKS[0].height})
    page.emulate_media(color_scheme=LOOKS[0].theme)
    answer = page.goto(address)
    for key in keys:
        page.keyboard.press(key)
    return "" if answer and answer.status == 200 else f"{answer and answer.status} of {page.url}"


def _picture(page: Any, look: Look, *, full: bool) -> Image.Image:
    page.set_viewport_size({"width": look.width, "height": look.height})
    page.emulate_media(color_scheme=look.theme)
    _settled(page)
    return Image.open(io.BytesIO(page.screenshot(full_page=full))).convert("RGB")


def _settled(page: Any) -> None:
    from playwright.sync_api import TimeoutError as TooLong

    page.wait_for_load_state("load")
    page.evaluate(DONE)
    try:
        page.wait_for_function(PAINTED, timeout=15_000)
    except TooLong:
        print(f"not painted: {page.url}")
    page.wait_for_timeout(250)


def findings(page: Any) -> list[str]:
    """What axe-core says against this page, of any severity."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    said = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{row['id']} ({row['impact']}): {node['html'][:160]}" for row in said for node in row["nodes"]]


def keep(pictures: dict[str, Image.Image], folder: Path, *, everything: bool) -> int:
    """Written as WebP; how many bytes that is."""
    for quality in QUALITIES:
        packed = {name: _packed(name, picture, quality) for name, picture in pictures.items()}
        total = sum(map(len, packed.values()))
        if total <= MOST_BYTES:
            break
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp") if everything else ():
        old.unlink()
    for name, data in packed.items():
        (folder / f"{name}.webp").write_bytes(data)
    return total


def _packed(name: str, picture: Image.Image, quality: int) -> bytes:
    scale = next(look.scale for look in LOOKS if name.endswith(look.suffix))
    if name in BEST:
        scale, quality = 1, QUALITIES[0]
    size = round(picture.width * scale), round(picture.height * scale)
    picture.resize(size, Image.Resampling.LANCZOS).save(out := io.BytesIO(), "WEBP", quality=quality, method=4)
    return out.getvalue()


if __name__ == "__main__":
    main()
