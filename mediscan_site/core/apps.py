from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "mediscan_site.core"
    label = "core"

    def ready(self) -> None:
        # Importing them registers the system checks and the receivers that audit log-ins.
        from mediscan_site.core import auth, checks  # noqa: F401
