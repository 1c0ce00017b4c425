"""How numbers are written in the reader's language."""

from django import template
from django.utils import formats

from mediscan_site.front.audit_words import ACTIONS, OBJECTS

register = template.Library()


@register.filter
def grouped(value: object) -> object:
    """20000 -> "20,000" in English, "20.000" in German. What is no number, such as "10,000+", stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return formats.number_format(value, use_l10n=True, force_grouping=True)


@register.filter
def action_words(action: str) -> str:
    """scan.open -> opened a scan."""
    return str(ACTIONS.get(action, action))


@register.filter
def object_words(kind: str) -> str:
    """trainingrun -> training run."""
    return str(OBJECTS.get(kind, kind))
