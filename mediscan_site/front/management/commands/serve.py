import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mediscan_site.core.models import User
from mediscan_site.front import supervisor
from mediscan_site.front.prepare import prepare

FIRST_USER = "No account yet. In a second terminal:  .venv/bin/python manage.py create_user NAME --role admin"


class Command(BaseCommand):
    help = "Start web, workers and beat on this machine and keep them running. Ctrl-C stops all."

    def handle(self, *args: Any, **options: Any) -> None:
        if not supervisor.port_is_free(settings.PORT):
            raise CommandError(
                f"Port {settings.PORT} is in use. Stop what uses it, or choose another: PORT=8001 make serve"
            )
        prepare()
        self.stdout.write(
            f"MediScan on {settings.PUBLIC_URL or f'http://localhost:{settings.PORT}'}  (data in {settings.DATA_DIR})"
        )
        if not User.objects.exists():
            self.stdout.write(FIRST_USER)
        self.stdout.flush()
        command = supervisor.command()
        os.execve(command[0], command, supervisor.environment(settings.PORT))  # noqa: S606 -- our own virtual environment
