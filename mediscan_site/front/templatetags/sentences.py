"""What a service said, in the reader's language."""

from django import template

from mediscan_site.core.sentences import in_language

register = template.Library()


@register.filter
def said(value: object) -> str:
    """An error, a remark or a refusal as a page shows it. The name of something of somebody's is never shown through this."""
    return in_language(value) if value else ""
