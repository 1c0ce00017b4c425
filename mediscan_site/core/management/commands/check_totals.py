"""`manage.py check_totals`: the maintained numbers beside a real count."""

from typing import Any

from django.core.management.base import BaseCommand

from mediscan_site.core.totals import keeping


class Command(BaseCommand):
    help = (
        "Compare the numbers that pages show with a real count of the rows, and mend what differs. May run while the site is in "
        "use; a worker does the same every night."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in keeping.missing():
            self.stderr.write(self.style.WARNING(f"The trigger {name} is missing. manage.py migrate puts it back."))
        folded, found = keeping.fold(), keeping.check()
        for name, rows in found.items():
            self.stdout.write(f"{name}: {len(rows)} numbers were wrong and are mended")
        self.stdout.write(f"totals: {'mended' if found else 'ok'}, {folded} changes folded")
