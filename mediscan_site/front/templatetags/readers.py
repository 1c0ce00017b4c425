"""How figures of agreement are said on pages."""

from typing import Any

from django import template
from django.utils.translation import gettext as _

from labeling.agreement.intervals import ALL_AGREE, ONE_CLASS, TOO_FEW, TOO_FEW_PATIENTS, TOO_RARE, Figure

register = template.Library()
# Landis & Koch 1977: words that readers of the literature expect. They are a convention, and the page says so.
WORDS = ((0.81, "almost perfect"), (0.61, "substantial"), (0.41, "moderate"), (0.21, "fair"), (0.0, "slight"))


@register.filter
def kappa(figure: Figure) -> str:
    """0.812 (0.705 to 0.903), or why there is none."""
    return _said(figure, lambda value: f"{value:.2f}")


@register.filter
def percentage(figure: Figure) -> str:
    return _said(figure, _whole)


@register.filter
def kappa_interval(figure: Figure) -> str:
    """0.705 to 0.903, below the value itself, or why there is none."""
    return _ends(figure, lambda value: f"{value:.2f}")


@register.filter
def percentage_interval(figure: Figure) -> str:
    return _ends(figure, _whole)


def _whole(share: float) -> str:
    return f"{share * 100:.0f} %"


def _ends(figure: Figure, words: Any) -> str:
    if figure.value is None:
        return _why(figure.why)
    if figure.low is None or figure.high is None:
        return _("no interval: %(why)s") % {"why": _why(figure.why)}
    return _("%(low)s to %(high)s") % {"low": words(figure.low), "high": words(figure.high)}


def _said(figure: Figure, words: Any) -> str:
    if figure.value is None:
        return _("not available: %(why)s") % {"why": _why(figure.why)} if figure.why else _("not available")
    ends = {"value": words(figure.value)}
    if figure.low is None or figure.high is None:
        return _("%(value)s (no interval: %(why)s)") % {**ends, "why": _why(figure.why)}
    return _("%(value)s (%(low)s to %(high)s)") % {**ends, "low": words(figure.low), "high": words(figure.high)}


def _why(reason: str) -> str:
    """The reasons in the reader's language; the API has them as they are."""
    return {
        TOO_FEW: _("fewer than 10 scans"),
        TOO_FEW_PATIENTS: _("scans of fewer than 10 patients"),
        ONE_CLASS: _("all in one class"),
        TOO_RARE: _("seen too seldom"),
        ALL_AGREE: _("all agree, so nothing varies"),
        "nothing was read": _("nothing was read"),
    }.get(reason, reason)


@register.filter
def in_words(figure: Figure) -> str:
    """The convention's word for a kappa; empty where there is none."""
    words = {
        "almost perfect": _("almost perfect"),
        "substantial": _("substantial"),
        "moderate": _("moderate"),
        "fair": _("fair"),
        "slight": _("slight"),
    }
    if figure.value is None:
        return ""
    return next((words[word] for least, word in WORDS if figure.value >= least), _("less than chance"))


@register.filter
def seconds(value: float | None) -> str:
    """75 -> "1 min 15 s"; nothing measured -> "not available"."""
    if value is None:
        return _("not available")
    whole = round(value)
    if whole < 60:
        return _("%(s)s s") % {"s": whole}
    return _("%(min)s min %(s)s s") % {"min": whole // 60, "s": whole % 60}


@register.filter
def place(names: list[str], number: int) -> str:
    """The name at a place of a list."""
    return names[number] if number < len(names) else ""
