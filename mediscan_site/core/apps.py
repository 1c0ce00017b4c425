from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CoreConfig(AppConfig):
    name = "mediscan_site.core"
    label = "core"

    def ready(self) -> None:
        # Importing them registers the system checks, the receivers that audit log-ins, and who does which work.
        from mediscan_site.core import auth, checks, durability, planning, start, tasks  # noqa: F401
        from mediscan_site.core.http import multipart
        from mediscan_site.core.totals import keeping
        from mediscan_site.core.trail import guards

        multipart.install()
        pre_migrate.connect(_before_tables, sender=self)
        post_migrate.connect(guards.after_migrate, sender=self, dispatch_uid="audit.guards")
        pre_migrate.connect(keeping.before_migrate, sender=self, dispatch_uid="totals.before")
        post_migrate.connect(keeping.after_migrate, sender=self, dispatch_uid="totals.after")


def _before_tables(**kwargs: Any) -> None:
    """Whatever makes tables (serve, migrate, a container): not beside a store that another database uses."""
    from mediscan_site.core.storage import own_store

    own_store.require_no_strangers()
