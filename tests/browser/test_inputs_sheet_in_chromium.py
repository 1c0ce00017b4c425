"""The contact sheet on the page of a run that goes on."""

from functools import partial

import numpy as np
from django.urls import reverse

from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, TELEPHONE, signed_in
from training.models import TrainingRun
from training.process import sheets
from training.process.recorder import Recorder


def is_refreshed(answer) -> bool:
    return answer.request.headers.get("hx-request") == "true"


def note(asked: list[str], request) -> None:
    asked.append(request.url)


def test_it_is_fetched_once_while_the_page_of_its_run_is_refreshed(windows, live_server, made_run, admin, tmp_path):
    run = made_run()
    images = list(run.snapshot.members.values_list("image", flat=True)[:6])
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    Recorder(run, run.attempt).inputs_sheet(sheets.drawn(noise, 255 - noise), images)
    address = reverse("training-run-inputs-sheet", args=[run.pk])
    for size in (DESK, TELEPHONE):
        context = signed_in(windows, live_server, admin, size)
        watched, fetched = Watched(context), list[str]()
        watched.page.on("request", partial(note, fetched))
        with watched.page.expect_response(is_refreshed):
            watched.page.goto(f"{live_server.url}{reverse('run', args=[run.pk])}")
        TrainingRun.objects.filter(pk=run.pk).update(message=f"seen on {size}")
        watched.page.get_by_text(f"seen on {size}").wait_for()
        picture = watched.page.get_by_role("img", name="Training scans as the network is given them")
        assert picture.evaluate("image => image.complete && image.naturalWidth") == 864
        assert len([url for url in fetched if address in url]) == 1
        assert watched.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert watched.faults == []
        picture.scroll_into_view_if_needed()
        watched.page.screenshot(path=tmp_path / f"{size['width']}.png", full_page=True)
        context.close()
