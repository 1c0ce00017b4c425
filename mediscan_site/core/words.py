"""Words of ours in the language of whoever reads the page. Data, the API and the audit log keep the English ones."""

from collections.abc import Iterable
from typing import cast

from django.utils.translation import gettext_lazy


def in_words(choices: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Choices of a field of a form. What a translator finds of them: front/gathering.py."""
    return [(value, said(name)) for value, name in choices]


def said(word: str) -> str:
    """A label or a help text that stands in a table of a package without Django."""
    return cast(str, gettext_lazy(word)) if word else word
