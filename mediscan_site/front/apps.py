from django.apps import AppConfig


class FrontConfig(AppConfig):
    name = "mediscan_site.front"
    label = "front"

    def ready(self) -> None:
        # Importing them registers how the OpenApi document names our tokens, a system check and a job of housekeeping.
        from mediscan_site.front import ending, links, schema  # noqa: F401
