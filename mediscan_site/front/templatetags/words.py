"""How numbers are written in the reader's language."""

from django import template
from django.utils import formats

register = template.Library()


@register.filter
def grouped(value: object) -> object:
    """20000 -> "20,000" in English, "20.000" in German. What is no number, such as "10,000+", stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return formats.number_format(value, use_l10n=True, force_grouping=True)
