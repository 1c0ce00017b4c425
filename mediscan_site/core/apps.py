from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "mediscan_site.core"
    label = "core"

    def ready(self) -> None:
        # Importing them registers the system checks and the receivers that audit log-ins.
        from mediscan_site.core import auth, checks  # noqa: F401
        from mediscan_site.core.trail import guards

        post_migrate.connect(guards.after_migrate, sender=self, dispatch_uid="audit.guards")
