"""What the pages of versions draw: lists for the plots of `plots`, with a sentence and an address for every mark."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import template
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from mediscan_site.front.axes import share
from mediscan_site.front.templatetags import plots
from mediscan_site.front.terms import TERMS
from models_registry import selectors
from models_registry.browsing import cutoffs
from models_registry.models import Evaluation, ModelVersion

register = template.Library()

FIGURES = ("sensitivity", "specificity", "ppv", "npv")
# The terms have the word of the reports for it.
WORDS = {"ppv": "precision"}


@register.simple_tag
def errors_url(model: ModelVersion, reading: Evaluation | None = None, **asked: Any) -> str:
    """The page of the scans behind a figure."""
    named = {
        **({"evaluation": reading.pk} if reading else {}),
        **{key: value for key, value in asked.items() if value != ""},
    }
    address = reverse("model_errors", args=[model.pk])
    return f"{address}?{urlencode(named)}" if named else address


@register.simple_tag
def cutoff_lines(found: cutoffs.Cutoffs, kind: str) -> list[dict[str, Any]]:
    """One line of a plot, a dot at each cut-off; a dot leads to its figures."""
    points = [
        {
            **point,
            "said": _said(point, kind, found.positive["name"]),
            "url": f"?{urlencode({'positive': found.positive['id'], 'cutoff': point['cutoff']})}#cutoff",
            "size": 4,
        }
        for point in cutoffs.curve(found, kind)
    ]
    return [{"name": found.positive["name"], "points": points}]


@register.inclusion_tag("parts/plot_field.html")
def cutoff_plot(
    lines: list[dict[str, Any]], title: str, across: str, up: str, ideal: Sequence[Sequence[float]] = ()
) -> dict[str, Any]:
    """On a square of shares; the numbers stand in a table of their own."""
    shown = {"across": across, "up": up, "square": True, "quiet": True, "numbers": False}
    return plots.plot_lines(lines, title, "share", "0 1", "0 1", ideal, **shown)


def _said(point: Mapping[str, Any], kind: str, name: str) -> str:
    known = {"cutoff": f"{point['cutoff']:.2f}", "name": name, "x": share(point["x"]), "y": share(point["y"])}
    if kind == "roc":
        return _("Cut-off %(cutoff)s: finds %(y)s of %(name)s, false alarms in %(x)s of the others") % known
    return _("Cut-off %(cutoff)s: finds %(x)s of %(name)s, and %(y)s of its alarms are true") % known


@register.simple_tag
def cutoff_figures(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures of a row, with the key of their term."""
    return [{"name": name, "term": WORDS.get(name, name), "entry": row[name]} for name in FIGURES]


@register.filter
def as_share(entry: Any) -> str:
    """{"value": 0.92, "low": 0.85, "high": 0.97} -> "92 % (85 % to 97 %)"."""
    if not isinstance(entry, Mapping) or entry.get("value") is None:
        return _("too few scans")
    if entry.get("low") is None:
        return share(entry["value"])
    ends = {"value": share(entry["value"]), "low": share(entry["low"]), "high": share(entry["high"])}
    return _("%(value)s (%(low)s to %(high)s)") % ends


@register.filter
def as_json(value: Any) -> str:
    """For a data attribute that a script reads."""
    return json.dumps(value, separators=(",", ":"))


@register.simple_tag
def reliability_dots(model: ModelVersion, reading: Evaluation, *, kept: bool) -> list[dict[str, Any]]:
    """Confidence against the share that was right, a dot for each range; it leads to its scans where they were kept."""
    rows = [row for row in reading.metrics.get("reliability", []) if row["n"]]
    return [
        {
            "x": row["confidence"],
            "y": row["accuracy"],
            "size": min(4 + row["n"] ** 0.5, 13),
            "said": _("Of %(n)s scans with a confidence of %(confidence)s it was right on %(right)s")
            % {"n": row["n"], "confidence": share(row["confidence"]), "right": share(row["accuracy"])},
            "url": errors_url(model, reading, low=row["low"], high=row["high"]) if kept else "",
        }
        for row in rows
    ]


@register.simple_tag
def version_bars(rows: Iterable[ModelVersion]) -> list[dict[str, Any]]:
    """Balanced accuracy of each version with its interval; it leads to the version."""
    found = []
    for model in rows:
        report = selectors.latest_evaluation(model)
        entry = (report.metrics.get("balanced_accuracy") if report else None) or {}
        if entry.get("value") is not None:
            label = f"{model.code} {model.version}"
            found.append(
                {
                    **{side: entry.get(side) for side in ("value", "low", "high")},
                    "label": label,
                    "said": f"{label}: {TERMS['balanced_accuracy'].word} {as_share(entry)}",
                    "url": reverse("model", args=[model.pk]),
                    "series": 0 if getattr(model, "stage", "") == selectors.DEPLOYED else "rest",
                }
            )
    return found


def _line(epochs: Sequence[Any], name: str, words: str, series: int) -> dict[str, Any]:
    """One figure over the epochs, with its bounds where they were measured; a missing one is a gap."""
    points = [
        {
            "x": row.epoch,
            "y": row.metrics.get(name),
            "low": row.metrics.get(f"{name}_low"),
            "high": row.metrics.get(f"{name}_high"),
        }
        for row in epochs
    ]
    return {"name": words, "series": series, "points": points}


@register.simple_tag
def validation_lines(epochs: Sequence[Any]) -> list[dict[str, Any]]:
    """AUROC with its band, and balanced accuracy."""
    return [
        _line(epochs, "val_auroc", str(TERMS["auroc"].word), 0),
        _line(epochs, "val_balanced_accuracy", str(TERMS["balanced_accuracy"].word), 1),
    ]


@register.simple_tag
def loss_lines(epochs: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        _line(epochs, "train_loss", _("training scans"), 0),
        _line(epochs, "val_loss", _("validation scans"), 1),
    ]
