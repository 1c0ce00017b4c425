"""`manage.py gather_words`: list for xgettext the words of pages that stand in tables of packages without Django."""

from typing import Any

from django.core.management.base import BaseCommand

from mediscan_site.front import gathering


class Command(BaseCommand):
    help = "Writes words/of_others.py; part of `make messages`."

    def handle(self, *args: Any, **options: Any) -> None:
        gathering.LISTED.write_text(gathering.listing(), encoding="utf-8")
