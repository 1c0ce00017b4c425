"""How quickly a mammogram of 2400 x 3000 pixels and 12 bits is there, and how smoothly its window follows the hand: in headless
Chromium without a graphics card, on a site of its own. `--base FOLDER`: beside an older checkout, with the same files.

    python -m benchmarks.viewing [--base FOLDER] [--scans 12]
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks._common import ROOT, save
from benchmarks._site_process import Site, site

ROWS, COLUMNS, BITS = 3000, 2400, 12
SCREEN: Final = {"width": 1280, "height": 800}
KEY_MS, FPS = 400, 50
PATIENCE_MS = 60_000

# The moment from a key to the picture of another scan on the screen: two frames after it is there, both sides alike.
WATCH: Final = """() => {
  window.shown = () => {
    const viewer = document.querySelector("[data-viewer]");
    if (viewer?.dataset.viewer) return viewer.dataset.painted === undefined ? null : viewer.dataset.painted;
    const picture = document.querySelector("[data-picture]");
    return picture?.complete && picture.naturalWidth ? picture.src : null;
  };
  document.addEventListener("keydown", () => {
    const before = window.shown();
    const start = performance.now();
    window.took = null;
    const look = () => {
      const now = window.shown();
      if (now === null || now === before) requestAnimationFrame(look);
      else requestAnimationFrame(() => requestAnimationFrame(() => { window.took = performance.now() - start; }));
    };
    look();
  }, true);
}"""

DRAG: Final = """async (does) => {
  const place = document.querySelector("[data-viewer] [data-place]");
  const { left, top } = place.getBoundingClientRect();
  place.setPointerCapture = () => {};
  const send = (type, x, y) => place.dispatchEvent(new PointerEvent(type, {
    bubbles: true, cancelable: true, clientX: left + x, clientY: top + y, button: does === "pan" ? 1 : 0, buttons: 1,
    pointerId: 1, pointerType: "mouse", isPrimary: true,
  }));
  const times = [];
  send("pointerdown", 400, 300);
  const start = performance.now();
  await new Promise((done) => {
    const frame = (now) => {
      times.push(now);
      const spent = performance.now() - start;
      send("pointermove", 400 + 150 * Math.sin(spent / 200), 300 + 100 * Math.cos(spent / 150));
      if (spent < 4000) requestAnimationFrame(frame);
      else done();
    };
    requestAnimationFrame(frame);
  });
  send("pointerup", 400, 300);
  const gaps = times.slice(1).map((time, at) => time - times[at]).toSorted((one, other) => one - other);
  return { fps: (1000 * (times.length - 1)) / (times.at(-1) - times[0]), p95_ms: gaps[Math.floor(gaps.length * 0.95)] };
}"""


def mammogram(number: int) -> bytes:
    """A breast of smooth structure with the noise of a detector, as a DICOM file."""
    from PIL import Image
    from pydicom import Dataset, uid
    from pydicom.dataset import FileMetaDataset

    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.normal(0, 1, (60, 48)).astype(np.float32))
    tissue = np.asarray(coarse.resize((COLUMNS, ROWS), Image.Resampling.BICUBIC))
    row, column = np.mgrid[0:ROWS, 0:COLUMNS]
    inside = (column / 1500) ** 2 + ((row - ROWS / 2) / 1300) ** 2 < 1
    values = np.where(inside, 1800 + 400 * tissue, 40) + random.normal(0, 1, (ROWS, COLUMNS)) * np.where(inside, 18, 3)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.SOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = (uid.generate_uid() for _ in range(3))
    made.PatientID, made.Modality, made.ImagerPixelSpacing = f"P{number}", "MG", [0.07, 0.07]
    made.Rows, made.Columns, made.SamplesPerPixel, made.PixelRepresentation = ROWS, COLUMNS, 1, 0
    made.PhotometricInterpretation, made.BitsAllocated, made.BitsStored, made.HighBit = (
        "MONOCHROME2",
        16,
        BITS,
        BITS - 1,
    )
    made.PixelData = np.clip(values, 0, 2**BITS - 1).astype("<u2").tobytes()
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def seeded(where: Site, files: Path) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "benchmarks" / "_viewing_seed.py"), str(files)]
    done = subprocess.run(command, cwd=where.checkout, env=where.env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"No scans were made:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@contextlib.contextmanager
def page_of(where: Site, told: dict[str, Any]) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    args = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=args)
        # Its waiting evaluates text, which the pages forbid.
        context = browser.new_context(viewport=SCREEN, bypass_csp=True)
        context.add_cookies([{"name": told["cookie"], "value": told["session"], "url": where.root}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def keys(page: Any, where: Site, told: dict[str, Any], pause_ms: int) -> list[float]:
    """Milliseconds from the key of a class to the next scan, while each is looked at for a moment."""
    page.goto(f"{where.root}/projects/{told['project']}/label/")
    page.evaluate(WATCH)
    page.wait_for_function("window.shown() !== null")
    took = []
    for _ in told["scans"][:-1]:
        page.wait_for_timeout(pause_ms)
        page.keyboard.press("1")
        page.wait_for_function("window.took > 0")
        took.append(float(page.evaluate("window.took")))
    return took


def measured(checkout: Path, files: Path, pause_ms: int, *, drags: bool) -> dict[str, Any]:
    with site(checkout=checkout) as where:
        told = seeded(where, files)
        with page_of(where, told) as page:
            took = keys(page, where, told, pause_ms)
            figures: dict[str, Any] = {"key_ms": statistics.median(took), "worst_ms": max(took), "n": len(took)}
            if drags:
                page.goto(f"{where.root}/scans/{told['scans'][0]}/")
                page.wait_for_selector("[data-painted]")
                box = page.locator("[data-viewer] [data-place]").bounding_box()
                figures["share"] = box["width"] * box["height"] / (SCREEN["width"] * SCREEN["height"])
                figures["window"] = page.evaluate(DRAG, "window")
                for _ in range(6):
                    page.keyboard.press("+")
                figures["pan"] = page.evaluate(DRAG, "pan")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="an older checkout, measured with the same files")
    parser.add_argument("--scans", type=int, default=12)
    parser.add_argument("--pause", type=int, default=1500, help="milliseconds that each scan is looked at")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mediscan-viewing-") as folder:
        for number in range(given.scans):
            (Path(folder) / f"{number:03}.dcm").write_bytes(mammogram(number))
        here = measured(ROOT, Path(folder), given.pause, drags=True)
        tell(here)
        base = measured(given.base.resolve(), Path(folder), given.pause, drags=False) if given.base else None
    if base:
        print(
            f"the older checkout: median {base['key_ms']:.0f} ms, worst {base['worst_ms']:.0f}; it shows 8 of {BITS} bits"
        )
    save("viewing", {"here": here, "base": base})


def tell(here: dict[str, Any]) -> None:
    print(f"key to the next mammogram: median {here['key_ms']:.0f} ms, worst {here['worst_ms']:.0f} (wanted: {KEY_MS})")
    for name in ("window", "pan"):
        print(f"{name}: {here[name]['fps']:.1f} frames a second, p95 {here[name]['p95_ms']:.0f} ms (wanted: {FPS})")
    print(f"picture: {here['share']:.1%} of {SCREEN['width']} x {SCREEN['height']}", flush=True)


if __name__ == "__main__":
    main()
