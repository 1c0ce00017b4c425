"""`{% term "auroc" %}`: a word of statistics or training, with a "?" that explains it. The explanation is a popover: the browser
opens and closes it by mouse and key (Escape closes it) and tells a screen reader; no script has a part in it."""

from typing import Any

from django import template
from django.utils.crypto import get_random_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mediscan_site.front.terms import TERMS

register = template.Library()


@register.simple_tag
def term(key: str, word: Any = "") -> SafeString:
    """The word of `key`, or another one for the same thing, and its "?"."""
    return format_html('<span class="term">{}&nbsp;{}</span>', word or TERMS[key].word, explain(key))


@register.simple_tag
def explain(key: str) -> SafeString:
    """The "?" alone. Its name is drawn: a page and a part that is fetched later may both explain the same word."""
    known, name = TERMS[key], f"term-{get_random_string(8)}"
    return format_html(
        '<button type="button" class="ask" popovertarget="{name}" aria-label="{asks}">?</button>'
        '<span class="explanation" id="{name}" popover><strong>{word}</strong> {says}</span>',
        name=name,
        asks=_("What is this: %(word)s") % {"word": known.word},
        word=known.word,
        says=known.says,
    )


@register.filter
def explained(key: object) -> bool:
    """Whether there is an explanation of it."""
    return key in TERMS
