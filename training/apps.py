from importlib import import_module

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        # They register what is removed when a scan is erased, what versions were continued from, and which task does the work of
        # a run.
        import_module("training.erasure")
        import_module("training.lineage")
        import_module("training.tasks")
