"""The arithmetic of plots: axes, places as shares of a field, numbers as a reader writes them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext

from mediscan_site.front.templatetags import words

STEPS = 4  # of an axis
Datum = Mapping[str, Any]


def grouped(value: Any) -> str:
    """1204.0 -> "1,204", as the reader's language groups; fractions keep three decimals."""
    return str(words.grouped(int(value) if float(value).is_integer() else round(value, 3)))


def share(value: float) -> str:
    """0.864 -> "86 %"; what is not quite all or nothing is never rounded to it."""
    whole = round(value * 100)
    return f"{min(max(whole, 1), 99) if 0 < value < 1 else whole} %"


FORMS: dict[str, Callable[[Any], str]] = {"share": share, "count": grouped, "number": lambda value: f"{value:.2f}"}


class Field:
    """The two axes of a plot: from values to shares of its width and height."""

    def __init__(self, points: Sequence[Datum], x_range: str, y_range: str, form: str) -> None:
        self.written = FORMS[form]
        xs: list[float] = [number(point["x"]) for point in points]
        ys: list[Any] = [
            value for point in points for value in (point["y"], point.get("low"), point.get("high")) if real(value)
        ]
        self.dates = bool(points) and isinstance(points[0]["x"], date)
        self.left, self.right = two(x_range) or (min(xs, default=0.0), max(xs, default=1.0))
        top: float = 1.0 if form == "share" else nice(max(ys, default=1), whole=form == "count")
        fitting: tuple[float, float] = (min([0.0, *ys]), top)
        self.low, self.high = two(y_range) or fitting

    def across(self, x: Any) -> float:
        return (number(x) - self.left) / ((self.right - self.left) or 1)

    def up(self, y: float) -> float:
        return 1 - (y - self.low) / ((self.high - self.low) or 1)

    def mark(self, point: Datum, name: str) -> dict[str, Any]:
        where, value = self.at(number(point["x"])), self.written(point["y"])
        row = {"label": " · ".join(filter(None, [name, where])), "value": point["y"], **point}
        said = f"{row['label']}: {value}"
        if real(point.get("low")) and real(point.get("high")):
            ends = {"low": self.written(point["low"]), "high": self.written(point["high"])}
            said = f"{said} ({gettext('%(low)s to %(high)s') % ends})"
        return {
            **mark({"said": said, **row}, self.written),
            "cx": percent(self.across(point["x"])),
            "cy": percent(self.up(point["y"])),
            "r": f"{point.get('size', 3):.1f}",
            "where": where,
        }

    def at(self, x: float) -> str:
        if self.dates:
            return date_format(date.fromordinal(int(x)), "j M")
        return grouped(int(x)) if self.right - self.left >= STEPS and float(x).is_integer() else f"{x:.2f}"

    def axes(self, title: str, ideal: Sequence[Sequence[float]], shown: Mapping[str, Any]) -> dict[str, Any]:
        x_ticks = [self.left, self.right] if self.dates or self.right - self.left >= STEPS else None
        return {
            "title": title,
            "across": shown.get("across", ""),
            "up": shown.get("up", ""),
            "square": shown.get("square", False),
            "quiet": shown.get("quiet", False),
            "numbers": shown.get("numbers", True),
            "ideal": path((self.across(x), self.up(y)) for x, y in ideal),
            "y_ticks": ticks(self.low, self.high, self.written)[::-1],
            "x_ticks": [self.at(x) for x in x_ticks] if x_ticks else ticks(self.left, self.right, self.at),
        }


def band(points: Sequence[Datum], field: Field) -> str:
    sure = [point for point in points if real(point.get("low")) and real(point.get("high"))]
    over = [(field.across(point["x"]), field.up(point["high"])) for point in sure]
    under = [(field.across(point["x"]), field.up(point["low"])) for point in reversed(sure)]
    return path([*over, *under])


def mark(row: Datum, written: Callable[[Any], str]) -> dict[str, Any]:
    """What every mark has: its words, its number as text, its sentence and where it leads."""
    value = written(row["value"])
    said = row.get("said") or f"{row['label']}: {value}"
    return {"label": row.get("label", ""), "value": value, "said": said, "url": row.get("url", "")}


def percent(part: float) -> str:
    return f"{part * 100:.2f}%"


def path(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x * 100:.2f},{y * 100:.2f}" for x, y in places)


def number(x: Any) -> float:
    return float(x.toordinal() if isinstance(x, date) else x)


def real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def two(text: str) -> tuple[float, float] | None:
    low, _, high = text.partition(" ")
    return (float(low), float(high)) if high else None


def nice(top: float, *, whole: bool) -> float:
    """The end of an axis that four even steps divide into round figures; of counted things into whole ones."""
    if top <= 1 and not whole:
        return 1.0
    size: float = 10 ** math.floor(math.log10(max(top, 1)))
    ends = (size * times for times in (1, 2, 4, 6, 8, 10, 20))
    return next(end for end in ends if end >= top and not (whole and end % STEPS))


def ticks(low: float, high: float, written: Callable[[Any], str]) -> list[str]:
    return [written(low + (high - low) * step / STEPS) for step in range(STEPS + 1)]
