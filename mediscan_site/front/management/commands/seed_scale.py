import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from mediscan_site.core import planning
from mediscan_site.core.errors import Conflict
from mediscan_site.front.scale.seeding import ADMIN, DOCTORS, GUEST, seed

MOST = 10_000_000


class Command(BaseCommand):
    help = (
        "Fill an empty site with very many made scans and all that hangs on them, to see what many rows do to it. "
        f"Makes the accounts {ADMIN}, {DOCTORS[0]} to {DOCTORS[-1]} and {GUEST}; their password is MEDISCAN_PASSWORD, if it is set."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scans", type=int, required=True, help=f"how many, up to {MOST:,}; a multiple of 10,000 is exact"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["scans"] <= MOST:
            raise CommandError(f"--scans is a number from 1 to {MOST:,}.")
        try:
            seed(options["scans"], password=os.environ.get("MEDISCAN_PASSWORD") or None, say=self._say)
        except Conflict as error:
            raise CommandError(str(error)) from error
        self._counted()

    def _counted(self) -> None:
        """Have the database count its rows, as it would by and by. On MySQL that would end somebody's transaction."""
        planning.count()
        if connection.vendor == "sqlite" or (connection.vendor == "mysql" and connection.in_atomic_block):
            return
        with connection.cursor() as cursor:
            tables = connection.introspection.table_names(cursor)
            named = ", ".join(connection.ops.quote_name(table) for table in tables)
            cursor.execute(f"ANALYZE TABLE {named}" if connection.vendor == "mysql" else "ANALYZE")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
