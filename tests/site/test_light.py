"""Web processes and workers stay small: PyTorch is loaded by the process that trains, and where a bundle is needed."""

import os
import subprocess
import sys

from django.conf import settings

WEB = ("mediscan_site.front.gate.app", "mediscan_site.front.urls")
WORKER = ("mediscan_site.celery", "images.tasks", "labeling.tasks", "models_registry.tasks", "training.tasks")
TRAIN_WORKER = ("training.process.runner", "training.process.book")
COMMANDS = (
    "training.management.commands.train",
    "training.management.commands.execute_run",
    "training.management.commands.launch_run",
    "training.management.commands.join_training",
)
TRAINING_PROCESS = "training.process.child"
SCRIPT = """
import sys
from importlib import import_module
import django
django.setup()
for name in sys.argv[1:]:
    import_module(name)
    if "torch" in sys.modules:
        print(name)
"""


def test_of_all_processes_only_the_one_that_trains_loads_pytorch_with_its_modules(tmp_path):
    modules = [*WEB, *WORKER, *TRAIN_WORKER, *COMMANDS, TRAINING_PROCESS]
    asked = [sys.executable, "-c", SCRIPT, *modules]
    environment = {**os.environ, "MEDISCAN_TEST_SCRATCH": str(tmp_path)}
    done = subprocess.run(asked, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [TRAINING_PROCESS]
