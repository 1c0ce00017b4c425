"""Figures and small charts as inline SVG, drawn on the server: they need no script and no library."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import template
from django.utils.translation import gettext

from mediscan_site.front.templatetags.sentences import not_available
from mediscan_site.front.terms import TERMS

register = template.Library()

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 30
TICKS = 5
# In the order in which they are read; what they are called stands with the terms.
FIGURES = tuple(
    (name, TERMS[name].word)
    for name in (
        "balanced_accuracy",
        "accuracy",
        "auroc",
        "auprc",
        "sensitivity",
        "specificity",
        "precision",
        "npv",
        "f1",
        "brier",
        "ece",
        "coverage",
        "answered_accuracy",
    )
)
PER_CLASS = ("sensitivity", "specificity", "ppv", "npv", "f1", "auroc")


@register.filter
def interval(entry: Any) -> str:
    """{"value", "low", "high"} -> "0.950 (0.912 to 0.981)"; what was not measured says why."""
    if not isinstance(entry, dict) or not isinstance(entry.get("value"), int | float):
        return not_available(entry)
    if isinstance(entry.get("low"), int | float) and isinstance(entry.get("high"), int | float):
        ends = {name: f"{entry[name]:.3f}" for name in ("value", "low", "high")}
        return gettext("%(value)s (%(low)s to %(high)s)") % ends
    return gettext("%(value)s (no interval)") % {"value": f"{entry['value']:.3f}"}


@register.filter
def figures(metrics: Any) -> list[tuple[str, Any]]:
    """The figures of a report that are there, with their names for people."""
    known = metrics if isinstance(metrics, dict) else {}
    return [(title, known[name]) for name, title in FIGURES if name in known]


@register.filter
def figures_terms(metrics: Any) -> list[tuple[str, Any]]:
    """The same by the key of their term, which says what they mean."""
    known = metrics if isinstance(metrics, dict) else {}
    return [(name, known[name]) for name, _ in FIGURES if name in known]


@register.filter
def of_class(measured: Any, name: str) -> dict[str, Any]:
    """The row of a class among measured figures, or an empty one."""
    rows = measured.get("per_class", []) if isinstance(measured, dict) else []
    return next((row for row in rows if row["class"] == name), {})


@register.filter
def log10(natural: Any) -> str:
    """A natural logarithm as a power of ten, with one decimal."""
    return f"{natural / math.log(10):.1f}" if _is_number(natural) else "not available"


@register.filter
def class_figures(entry: dict[str, Any]) -> list[Any]:
    return [entry.get(name) for name in PER_CLASS]


@register.inclusion_tag("parts/confusion.html")
def confusion(metrics: Mapping[str, Any], errors: str = "", ids: Sequence[int] = ()) -> dict[str, Any]:
    """Rows: what the doctors said; columns: what the model said. `errors`: the address of the scans behind it, to which each cell
    adds its two classes; `ids`: the keys of the classes. Without them the cells are numbers alone."""
    names = metrics.get("classes", [])
    keys = list(ids) if errors else [None] * len(names)
    joint = "&" if "?" in errors else "?"
    rows = []
    for i, (name, counts) in enumerate(zip(names, metrics.get("confusion_matrix", []), strict=False)):
        cells = [
            {
                "count": count,
                "kind": "hit" if i == j else "miss" if count else "",
                "said": names[j],
                "url": f"{errors}{joint}true={keys[i]}&predicted={keys[j]}" if errors and count else "",
            }
            for j, count in enumerate(counts)
        ]
        rows.append((name, cells))
    return {"names": names, "rows": rows}


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)


def frame(
    low: float = 0.0, high: float = 1.0, *, width: float = WIDTH, height: float = HEIGHT, below: float = 22
) -> dict[str, Any]:
    """The edges of a chart's field, its horizontal rules with their values, and where the words `below` the field are."""
    bottom = height - BOTTOM
    steps = [i / (TICKS - 1) for i in range(TICKS)]
    return {
        "width": width,
        "height": height,
        "left": LEFT,
        "right": width - RIGHT,
        "bottom": bottom,
        "top": TOP,
        "label_y": bottom + below,
        "middle": (LEFT + width - RIGHT) / 2,
        "rules": [(round(bottom - step * (bottom - TOP), 1), f"{low + step * (high - low):.2f}") for step in steps],
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The axis: shares are drawn on 0 to 1, anything larger on 0 to its maximum."""
    return (0.0, max(1.0, max(values))) if values else (0.0, 1.0)


@register.inclusion_tag("parts/days.html")
def day_chart(days: Sequence[dict[str, Any]], name: str, title: str, reference: float | None = None) -> dict[str, Any]:
    """One figure day by day, each day as far to the right as it is later; the reference's as a dashed line."""
    rows = [(date.fromisoformat(row["day"]), row[name], row["n"]) for row in days if _is_number(row.get(name))]
    low, high = _range([*(value for _, value, _ in rows), *([reference] if reference is not None else [])])
    first, last = (rows[0][0], rows[-1][0]) if rows else (None, None)
    span = max((last - first).days, 1) if first and last else 1

    def place(value: float) -> float:
        return _y((value - low) / (high - low))

    points = [(_x((day - rows[0][0]).days / span), place(value), day, value, n) for day, value, n in rows]
    ticks = (
        [(_x(0), f"{first}", "start"), (_x(1), f"{last}", "end")] if first != last else [(_x(0), f"{first}", "start")]
    )
    return {
        "frame": frame(low, high),
        "title": title,
        "points": points,
        "path": " ".join(f"{x},{y}" for x, y, *_ in points),
        "ideal": None if reference is None else f"{_x(0)},{place(reference)} {_x(1)},{place(reference)}",
        "ticks": ticks if rows else [],
    }
