import os
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from mediscan_site.core.models import User
from mediscan_site.front import certificate, supervisor
from mediscan_site.front.prepare import prepare

FIRST_USER = "No account yet. In a second terminal:  .venv/bin/python manage.py create_user NAME --role admin"


class Command(BaseCommand):
    help = "Start web, workers and beat on this machine and keep them running. Ctrl-C stops all."

    def handle(self, *args: Any, **options: Any) -> None:
        if not supervisor.port_is_free(settings.PORT):
            raise CommandError(
                f"Port {settings.PORT} is in use. Stop what uses it, or choose another: PORT=8001 make serve"
            )
        try:
            served = certificate.ready()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        prepare()
        own = f"{'https' if served else 'http'}://localhost:{settings.PORT}"
        self.stdout.write(f"MediScan on {settings.PUBLIC_URL or own}  (data in {settings.DATA_DIR})")
        if served:
            self._tell(served)
        if not User.objects.exists():
            self.stdout.write(FIRST_USER)
        self.stdout.flush()
        command = supervisor.command()
        os.execve(command[0], command, supervisor.environment(settings.PORT))  # noqa: S606 -- our own virtual environment

    def _tell(self, served: certificate.Served) -> None:
        """What somebody compares before accepting a certificate that no browser knows."""
        whose = "made for this machine" if served.self_made else served.certificate
        self.stdout.write(
            f"Certificate: {whose}, until {served.ends:%Y-%m-%d}. SHA-256 fingerprint:\n  {served.fingerprint}"
        )
        if served.self_made:
            public = served.certificate.with_suffix(".crt")
            self.stdout.write(f"Browsers warn of it until they are told to trust {public}.")
