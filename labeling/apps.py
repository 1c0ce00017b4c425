from django.apps import AppConfig


class LabelingConfig(AppConfig):
    name = "labeling"

    def ready(self) -> None:
        # Registers what goes with an erased scan, in every process that could erase one.
        from labeling import erasure  # noqa: F401
