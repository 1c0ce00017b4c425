from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "mediscan_site.core"
    label = "core"

    def ready(self) -> None:
        # Importing them registers the system checks, the receivers that audit log-ins, and who does which work.
        from mediscan_site.core import auth, checks, tasks  # noqa: F401
