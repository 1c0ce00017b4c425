"""Plots as SVG and HTML from the server: readable without a script; static/js/plots.js adds hover and arrow keys.

Every tag takes a title and plain data, so any app can make it in a view, a selector or a filter of its own:

    {% plot_bars rows "Scans a class" %}                  rows: label, value [, url, said, low, high, series]
    {% plot_stack parts "How far" %}                      parts: label, value [, url, said, series]
    {% plot_columns columns "Labels a day" "mine" "others'" %}  columns: label, values (one for each name) [, url, said]
    {% plot_lines lines "ROC" across="…" up="…" %}        lines: name, points; a point: x, y [, low, high, url, said]
    {% plot_dots dots "Reliability" across="…" up="…" %}  dots: x, y [, size, url, said, series]
    {% plot_spark values "Grades a week" %}               values: numbers, oldest first

`said` is the sentence of a mark (made from label and value where it is missing), `url` makes the mark a link, `series` is 0 to 5 or
"rest" (grey). Lines and dots: x is a number or a date; `form` "share" | "number" | "count" writes the axes; x_range and y_range
"0 1" fix them; `ideal` is a list of (x, y) drawn dashed; square=True for a square field; quiet=True shows dots only at hover and
focus; numbers=False leaves the table "as numbers" out where the page has a better one."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.utils.translation import gettext

from mediscan_site.front.axes import FORMS, Datum, Field, band, grouped, mark, nice, path, percent, share, ticks

register = template.Library()

SERIES = 6
SPARK = (120, 28)


@register.inclusion_tag("parts/plot_bars.html")
def plot_bars(rows: Iterable[Datum], title: str, form: str = "count", top: float | None = None) -> dict[str, Any]:
    """One bar a row, beside its words and its number; `low` and `high` draw the interval over it."""
    known = list(rows)
    end = top or max([1e-9, *(row.get("high") or row["value"] for row in known)])
    bars = [
        {
            **mark(row, FORMS[form]),
            "width": percent(row["value"] / end),
            "whisker": _whisker(row, end),
            "series": row.get("series", 0),
        }
        for row in known
    ]
    return {"title": title, "bars": bars}


def _whisker(row: Datum, end: float) -> tuple[str, str] | None:
    if row.get("low") is None or row.get("high") is None:
        return None
    return percent(row["low"] / end), percent(row["high"] / end)


@register.inclusion_tag("parts/plot_stack.html")
def plot_stack(parts: Iterable[Datum], title: str) -> dict[str, Any]:
    """One bar of several parts, with a legend that says the numbers."""
    known = list(parts)
    total, marks, before = sum(part["value"] for part in known), [], 0.0
    for number, part in enumerate(known):
        of = part["value"] / total if total else 0
        words = gettext("%(label)s: %(value)s (%(share)s)") % {
            "label": part["label"],
            "value": grouped(part["value"]),
            "share": share(of),
        }
        marks.append(
            {
                **mark({"said": words, **part}, grouped),
                "series": part.get("series", number % SERIES),
                "x": percent(before),
                "width": percent(of),
                "share": share(of),
            }
        )
        before += of
    return {"title": title, "marks": marks, "total": total}


@register.inclusion_tag("parts/plot_columns.html")
def plot_columns(
    columns: Iterable[Datum], title: str, *names: str, up: str = "", numbers: bool = True
) -> dict[str, Any]:
    """Columns side by side, oldest first; with several `names` each column is a stack."""
    known = list(columns)
    top = nice(max([1, *(sum(column["values"]) for column in known)]), whole=True)
    wide = 1 / max(len(known), 1)
    drawn = [_column(column, names, number * wide, wide, top) for number, column in enumerate(known)]
    return {
        "title": title,
        "up": up,
        "columns": drawn,
        "names": list(enumerate(names)) if len(names) > 1 else [],
        "heads": names,
        "y_ticks": ticks(0, top, grouped)[::-1],
        "x_ticks": _ends([column["label"] for column in known]),
        "numbers": numbers and bool(known),
    }


def _column(column: Datum, names: Sequence[str], left: float, wide: float, top: float) -> dict[str, Any]:
    parts, below = [], 0.0
    for series, value in enumerate(column["values"]):
        height = value / top
        parts.append({"series": series, "y": percent(1 - below - height), "height": percent(height)})
        below += height
    words = ", ".join(f"{name}: {grouped(value)}" for name, value in zip(names, column["values"], strict=False))
    whole = {"value": sum(column["values"]), **column}
    return {
        **mark({"said": f"{column['label']}: {words}", **whole} if words else whole, grouped),
        "x": percent(left),
        "width": percent(wide),
        "bar_x": percent(left + wide * 0.12),
        "bar_width": percent(wide * 0.76),
        "parts": parts,
        "cells": [grouped(value) for value in column["values"]],
    }


@register.inclusion_tag("parts/plot_field.html")
def plot_lines(
    lines: Iterable[Datum],
    title: str,
    form: str = "number",
    x_range: str = "",
    y_range: str = "",
    ideal: Sequence[Sequence[float]] = (),
    **shown: Any,
) -> dict[str, Any]:
    """Lines over two axes, with a band where points have `low` and `high`. A point without y is a gap, never a zero."""
    known = [
        {**line, "points": [point for point in line["points"] if point["y"] is not None]} for line in lines if line
    ]
    points = [point for line in known for point in line["points"]]
    field = Field(points, x_range, y_range, form)
    drawn = [
        {
            "name": line["name"],
            "series": line.get("series", number % SERIES),
            "path": path((field.across(point["x"]), field.up(point["y"])) for point in line["points"]),
            "band": band(line["points"], field),
            "marks": [field.mark(point, line["name"]) for point in line["points"]],
        }
        for number, line in enumerate(known)
        if line["points"]
    ]
    return {**field.axes(title, ideal, shown), "lines": drawn, "legend": len(drawn) > 1 and shown.get("legend", True)}


@register.inclusion_tag("parts/plot_field.html")
def plot_dots(
    dots: Iterable[Datum],
    title: str,
    form: str = "number",
    x_range: str = "",
    y_range: str = "",
    ideal: Sequence[Sequence[float]] = (),
    **shown: Any,
) -> dict[str, Any]:
    """Dots over two axes; `size` is their radius in px."""
    known = list(dots)
    field = Field(known, x_range, y_range, form)
    lines = [
        {"name": "", "series": series, "path": "", "band": "", "marks": [field.mark(dot, "") for dot in same]}
        for series, same in _by_series(known)
    ]
    return {**field.axes(title, ideal, shown), "lines": lines, "legend": False}


def _by_series(dots: Sequence[Datum]) -> list[tuple[Any, list[Datum]]]:
    found: dict[Any, list[Datum]] = {}
    for dot in dots:
        found.setdefault(dot.get("series", 0), []).append(dot)
    return list(found.items())


@register.inclusion_tag("parts/plot_spark.html")
def plot_spark(values: Iterable[float], title: str) -> dict[str, Any]:
    """A line of the size of a word. Its title has to say what it shows: there are no axes."""
    known = list(values)
    wide, high = SPARK
    top, step = max([1e-9, *known]), wide / max(len(known) - 1, 1)
    places = [(index * step, high - 2 - value / top * (high - 4)) for index, value in enumerate(known)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    last = tuple(f"{place:.1f}" for place in places[-1]) if places else None
    return {"title": title, "path": path, "last": last, "wide": wide, "high": high}


def _ends(labels: Sequence[str]) -> list[str]:
    """First, middle and last: what a narrow plot has room for."""
    if len(labels) < 3:
        return list(labels)
    return [labels[0], labels[len(labels) // 2], labels[-1]]
