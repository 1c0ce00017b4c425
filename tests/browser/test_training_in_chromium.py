"""A project in colour from its scans to a queued run: the plan is read before the start, on a desk and on a telephone."""

import io

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image as Pillow

from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in
from training.models import TrainingRun

PHONE = {"width": 390, "height": 844}
# As bright as each other.
STAINS = {"NORMAL": (200, 120, 140), "OPACITY": (120, 149, 200)}


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    settings.WEIGHTS_DIR = str(tmp_path)


@pytest.fixture
def stained(project, author, colleague):
    """Approved scans that differ in colour alone."""
    from images.services import ScanFacts
    from labeling.imports.services import upload_scan
    from labeling.reading.reviews import review_scan

    for number in range(24):
        split, name = ("train", "train", "val", "test")[number % 4], list(STAINS)[number // 4 % 2]
        noise = np.random.default_rng(number).normal(0, 25, (16, 16, 1))
        out = io.BytesIO()
        stain = np.clip(np.array(STAINS[name]) + noise, 0, 255).astype(np.uint8)
        Pillow.fromarray(stain).resize((160, 120), Pillow.Resampling.BICUBIC).save(out, "PNG")
        image, _ = upload_scan(
            actor=author, project=project, source=io.BytesIO(out.getvalue()), file_name=f"{number}.png",
            facts=ScanFacts(patient=f"p{number}"), label_class=project.class_rows.get(name=name), split=split,
        )  # fmt: skip
        review_scan(actor=colleague, image=image, status="approved")


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk, light", "telephone, dark"])
def test_the_plan_is_read_before_the_run_is_started(
    windows, live_server, admin, project, stained, tmp_path, size, scheme
):
    watched = Watched(signed_in(windows, live_server, admin, size))
    page = watched.page
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{live_server.url}{reverse('training', args=[project.pk])}")
    assert not page.locator("[name=architecture]").is_visible()
    page.get_by_text("More settings").click()
    page.locator("[name=shape]").select_option("letterbox")
    page.get_by_role("button", name="What would this take?").click()
    plan = page.locator("#plan")
    assert plan.inner_text().startswith("Sees colour at ")
    assert "at the scan's own shape: the scans have colour, and it tells the classes apart better" in plan.inner_text()
    assert page.locator("[name=shape]").input_value() == "letterbox"
    page.screenshot(path=tmp_path / "plan.png", full_page=True)
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not TrainingRun.objects.exists()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/runs/*/")
    page.screenshot(path=tmp_path / "run.png", full_page=True)
    assert page.get_by_text("Sees colour at ").first.is_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert watched.faults == []
