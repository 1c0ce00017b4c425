"""Make an account from the shell."""

import getpass
import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core.errors import DomainError
from mediscan_site.core.models import Role
from mediscan_site.core.services import create_user


class Command(BaseCommand):
    help = "Create an account. The password comes from MEDISCAN_PASSWORD, else it is asked for."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", choices=Role.values, default=Role.DOCTOR.value)
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, username: str, role: str, email: str, **options: Any) -> None:
        try:
            user = create_user(actor=None, username=username, password=self._password(), role=role, email=email)
        except DomainError as error:
            raise CommandError(f"{error.attr or 'account'}: {error.detail}") from error
        self.stdout.write(self.style.SUCCESS(f"Created {user.role} {user.username} (id {user.pk})."))

    def _password(self) -> str:
        given = os.environ.get("MEDISCAN_PASSWORD")
        if given:
            return given
        try:
            first, second = getpass.getpass("Password: "), getpass.getpass("Password (again): ")
        except (EOFError, KeyboardInterrupt) as error:
            raise CommandError("No password: type one, or set MEDISCAN_PASSWORD.", returncode=2) from error
        if first != second:
            raise CommandError("The two passwords differ. Try again.", returncode=2)
        return first
