"""Fields of filter bars: days as ISO dates, and text with suggestions, both without a script."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class DayInput(forms.TextInput):
    """A browser's own date field writes days as the browser's language does; lists write them as 2026-03-31, and so does this."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        day = {"placeholder": "2026-03-31", "pattern": r"\d{4}-\d{2}-\d{2}.*", "size": 11, "maxlength": 40}
        super().__init__({**day, **(attrs or {})})


class SuggestedInput(forms.TextInput):
    """Free text with suggestions: pairs of a value and what it means, asked for when the field is shown."""

    def __init__(self, suggest: Callable[[], Iterable[tuple[str, Any]]], attrs: dict[str, Any] | None = None) -> None:
        self.suggest = suggest
        super().__init__(attrs)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        place = f"suggested_{name}"
        field = super().render(name, value, {**(attrs or {}), "list": place, "autocomplete": "off"}, renderer)
        options = format_html_join("", '<option value="{}">{}</option>', self.suggest())
        return format_html('{}<datalist id="{}">{}</datalist>', field, place, options)


def day_begins(day: date) -> datetime:
    """In the reader's zone."""
    return timezone.make_aware(datetime.combine(day, time.min))
