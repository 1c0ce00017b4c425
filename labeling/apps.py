from django.apps import AppConfig


class LabelingConfig(AppConfig):
    name = "labeling"

    def ready(self) -> None:
        # They register what goes with an erased scan, which task does the work of a row, the hourly housekeeping, and
        # what is counted.
        from labeling import counts, erasure, tasks  # noqa: F401
        from labeling.imports import uploads  # noqa: F401
        from labeling.reading import again, several  # noqa: F401
