"""What a service said, in the reader's language."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import gettext

from mediscan_site.core.sentences import in_language

register = template.Library()


@register.filter
def said(value: object) -> str:
    """An error, a remark or a refusal as a page shows it. The name of something of somebody's is never shown through this."""
    return in_language(value) if value else ""


def not_available(entry: Any) -> str:
    """What stands for a figure that was not measured: why, where its entry says so."""
    reason = entry.get("reason") if isinstance(entry, Mapping) else ""
    return (
        gettext("not available: %(reason)s") % {"reason": in_language(reason)} if reason else gettext("not available")
    )
