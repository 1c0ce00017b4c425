"""`manage.py gather_words`: list for xgettext the words of tables that pages show, and the sentences of services."""

from typing import Any

from django.core.management.base import BaseCommand

from mediscan_site.front import gathering, sentences


class Command(BaseCommand):
    help = "Writes words/of_others.py and words/of_sentences.py; part of `make messages`."

    def handle(self, *args: Any, **options: Any) -> None:
        gathering.LISTED.write_text(gathering.listing(), encoding="utf-8")
        sentences.LISTED.write_text(sentences.listing(), encoding="utf-8")
