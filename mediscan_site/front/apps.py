from django.apps import AppConfig


class FrontConfig(AppConfig):
    name = "mediscan_site.front"
    label = "front"

    def ready(self) -> None:
        # Importing it registers how the OpenApi document names our tokens.
        from mediscan_site.front import schema  # noqa: F401
