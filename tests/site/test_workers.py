"""What every worker process knows, and how the tests are shared out among pytest-xdist's workers."""

import os
import subprocess
import sys

from django.conf import settings

from tests.conftest import SETTING_UP, scope

ASK = """
import django
django.setup()
from mediscan_site.celery import app
app.loader.import_default_modules()
from mediscan_site.core import tidy, work
print(*sorted(tidy._jobs))
print(*sorted(f"{row}={entry.task.name}" for row, entry in work._swept.items()))
"""


def test_a_worker_that_loads_no_page_knows_all_housekeeping_and_what_each_row_needs(tmp_path):
    asked = [sys.executable, "-c", ASK]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "MEDISCAN_TEST_SCRATCH": str(tmp_path)}
    done = subprocess.run(asked, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    jobs, rows = (line.split() for line in done.stdout.splitlines()[-2:])
    assert jobs == [
        "images.mixed_studies.forget_corrected",
        "labeling.erasure.forget_old_names",
        "labeling.exports.worker.destroy_expired",
        "labeling.imports.uploads.destroy_abandoned",
        "labeling.imports.zipfiles.destroy_left_behind",
        "labeling.reading.again.forget_unread",
        "labeling.reading.several.settle_all",
        "mediscan_site.core.durability.note",
        "mediscan_site.core.limits.forget",
        "mediscan_site.core.logins.forget",
        "mediscan_site.core.messages.services.forget",
        "mediscan_site.core.planning.count",
        "mediscan_site.core.resets.forget",
        "mediscan_site.core.storage.scrub.scrub",
        "mediscan_site.core.totals.keeping.forget",
        "mediscan_site.core.totals.keeping.watch",
        "mediscan_site.core.unreadable.forget_when_mended",
        "mediscan_site.core.workers.forget",
        "mediscan_site.front.ending.watch",
        "models_registry.versions.accelerating.forget",
    ]
    assert rows == [
        "core.Backup=core.run_backup",
        "core.Drill=core.run_drill",
        "core.Invitation=core.send_invitation",
        "core.ResetRequest=core.send_reset",
        "labeling.Export=labeling.run_export",
        "labeling.Import=labeling.run_import",
        "models_registry.Evaluation=models_registry.evaluate",
        "models_registry.Grade=models_registry.grade",
        "models_registry.GradeBatch=models_registry.grade_batch",
        "models_registry.Watch=models_registry.watch",
        "training.TrainingRun=training.train",
    ]


def test_tests_of_the_real_site_share_one_worker_and_so_do_those_of_a_browser_or_of_other_servers(request):
    for item in request.session.items:
        module = item.nodeid.split("::")[0]
        expected = item.nodeid
        if item.path.name.endswith("_in_chromium.py") or module.endswith(SETTING_UP):
            expected = module
        if item.get_closest_marker("story"):
            expected = "site"
        assert scope(item.nodeid) == expected
