"""What a report says about curves, subgroups and the deployed version, as rows and small charts."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.translation import gettext, gettext_lazy

from images.scan_facts import METADATA
from mediscan_site.front.templatetags.charts import BOTTOM, FIGURES, LEFT, RIGHT, TICKS, TOP, frame, interval
from mediscan_site.front.templatetags.sentences import not_available

register = template.Library()

SIDE = 300  # of the square that both axes span
COLOURS = 6
TITLES = dict(FIGURES)
BY = {fact.name: fact.label.lower() for fact in METADATA}
KINDS = {
    "roc": (gettext_lazy("ROC curve"), gettext_lazy("1 − specificity"), gettext_lazy("sensitivity")),
    "pr": (
        gettext_lazy("Precision-recall curve"),
        gettext_lazy("recall (sensitivity)"),
        gettext_lazy("precision (PPV)"),
    ),
}


@register.inclusion_tag("parts/shares.html")
def share_curve(metrics: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The ROC or PR curve of each class on square axes from 0 to 1; what a guess would reach is dashed."""
    title, across, up = KINDS[kind]
    entries = (metrics.get("curves") or {}).get(kind, [])
    lines = [
        {"name": entry["class"], "colour": number % COLOURS, "path": _path(entry["points"])}
        for number, entry in enumerate(entries)
        if entry["points"]
    ]
    missing = [(entry["class"], entry.get("reason", "")) for entry in entries if not entry["points"]]
    return {
        "title": title,
        "across": across,
        "up": up,
        "lines": lines,
        "missing": missing,
        "ideal": _guess(entries, kind),
        "frame": _square(),
    }


def _guess(entries: Sequence[Mapping[str, Any]], kind: str) -> str:
    """The diagonal of a ROC chart; the share of cases under one PR curve. Several shares would be several lines: none."""
    if kind == "roc":
        return _path([[0, 0], [1, 1]])
    share = entries[0]["prevalence"] if len(entries) == 1 else None
    return "" if share is None else _path([[0, share], [1, share]])


def _path(points: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{LEFT + x * SIDE:.1f},{TOP + (1 - y) * SIDE:.1f}" for x, y in points)


def _square() -> dict[str, Any]:
    steps = [i / (TICKS - 1) for i in range(TICKS)]
    return {
        **frame(width=LEFT + SIDE + RIGHT, height=TOP + SIDE + BOTTOM, below=26),
        "half": TOP + SIDE / 2,
        "ticks": [(LEFT + step * SIDE, f"{step:.2f}") for step in steps],
    }


@register.filter
def p_value(value: Any) -> str:
    """0.0312 -> "0.031"; very small ones as a bound."""
    if not isinstance(value, int | float):
        return "not available"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


@register.filter
def signed(entry: Any) -> str:
    """A test's difference with its interval, each with its sign: "+0.031 (+0.002 to +0.060)"."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("difference"), int | float):
        return not_available(entry)
    value, ends = _signed(entry["difference"]), [entry.get("low"), entry.get("high")]
    if not all(isinstance(end, int | float) for end in ends):
        return gettext("%(value)s (no interval)") % {"value": value}
    return gettext("%(value)s (%(low)s to %(high)s)") % {
        "value": value,
        "low": _signed(ends[0]),
        "high": _signed(ends[1]),
    }


def _signed(value: Any) -> str:
    return f"{value:+.3f}".replace("-", "−")


@register.filter
def tested(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the comparison with the deployed version: each test with its title and what it found, as a word and its badge."""
    alpha = comparison.get("alpha", 0)
    rows = []
    for test in comparison.get("tests", []):
        name = TITLES.get(test["figure"], test["figure"])
        number = None
        if test["p_holm"] is not None and test["p_holm"] < alpha:
            number = (gettext("worse"), "bad") if test["difference"] < 0 else (gettext("better"), "good")
        rows.append({**test, "title": _of_class(name, test["class"]), "found": number})
    return rows


def _of_class(name: Any, of: str | None) -> Any:
    return gettext("%(figure)s of %(name)s") % {"figure": name, "name": of} if of else name


@register.filter
def sliced(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of subgroups; `first` opens a new column of facts."""
    rows, before = [], None
    for entry in metrics.get("slices") or []:
        rows.append({**entry, "by": BY.get(entry["by"], entry["by"]), "first": entry["by"] != before})
        before = entry["by"]
    return rows


@register.filter
def brief(entry: Any) -> str:
    """A figure with its interval, for a narrow cell; the reason of a missing one is the same all over the table."""
    if not isinstance(entry, Mapping) or entry.get("value") is None:
        return gettext("too few cases")
    return interval(entry)


@register.filter
def warned(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each figure in which a subgroup is significantly worse than the rest, with its test."""
    return [
        {
            "by": BY.get(entry["by"], entry["by"]),
            "value": entry["value"],
            "title": _in_a_sentence(TITLES[name]),
            "test": test,
        }
        for entry in metrics.get("slices") or []
        for name, test in entry["against_rest"].items()
        if name in entry["worse"]
    ]


def _in_a_sentence(title: str) -> str:
    return title if title.isupper() else title.lower()


@register.filter
def undivided(metrics: Mapping[str, Any]) -> str:
    """The facts that divide nothing, as a list to read."""
    return ", ".join(BY.get(name, name) for name in metrics.get("undivided") or [])
