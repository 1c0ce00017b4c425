"""Pictures and plain numbers of a report, for the laboratory book. Figures are objects, never pyplot's global state."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models_registry.book.lettering import Lettering, lettering
from models_registry.versions.report import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Every available figure of a report as `test_NAME`, with the ends of its interval."""
    numbers_by_name: dict[str, float] = {}
    for name in metrics:
        for bound, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            number = figure(metrics, name, bound)
            if number is not None:
                numbers_by_name[f"test_{name}{suffix}"] = number
    return numbers_by_name


def drawings(metrics: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> dict[str, "Figure"]:
    """Confusion matrix, reliability diagram, ROC and precision-recall curves and training curves, where there is anything
    to draw."""
    figures: dict[str, Figure] = {}
    if metrics.get("confusion_matrix"):
        figures["confusion_matrix"] = confusion_matrix(metrics["confusion_matrix"], metrics["classes"])
    if metrics.get("reliability"):
        figures["reliability"] = reliability(metrics["reliability"])
    stored = metrics.get("curves") or {}
    for name, draw in (("roc", roc), ("pr", precision_recall)):
        lines = [entry for entry in stored.get(name, []) if entry["points"]]
        if lines:
            figures[name] = draw(lines, lettering(metrics.get("classes") or [entry["class"] for entry in lines]))
    if epochs:
        figures["training_curves"] = curves(epochs)
    return figures


def roc(lines: Sequence[Mapping[str, Any]], names: Lettering) -> "Figure":
    """One line per class over all thresholds; on the diagonal the model knows nothing."""
    figure, axes = _square("false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    _plot(axes, lines, names)
    return figure


def precision_recall(lines: Sequence[Mapping[str, Any]], names: Lettering) -> "Figure":
    """One line per class over all thresholds, each with its share among the test scans: what guessing would reach."""
    figure, axes = _square("recall", "precision")
    for entry in lines:
        if entry.get("prevalence") is not None:
            axes.axhline(entry["prevalence"], linestyle=":", color="grey")
    _plot(axes, lines, names)
    return figure


def _square(x: str, y: str) -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)
    return figure, axes


def _plot(axes: Any, lines: Sequence[Mapping[str, Any]], names: Lettering) -> None:
    for entry in lines:
        axes.plot([x for x, _ in entry["points"]], [y for _, y in entry["points"]], label=names.of(entry["class"]))
    axes.legend(title=names.note or None, title_fontsize=7, prop={"family": list(names.families), "size": 8})


def confusion_matrix(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> "Figure":
    """Rows: true class; columns: predicted class; numbers of scans."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    half = max(max(row) for row in counts) / 2
    for row, entries in enumerate(counts):
        for column, count in enumerate(entries):
            axes.text(column, row, str(count), ha="center", va="center", color="white" if count > half else "black")
    names = lettering(classes)
    labels, fonts = [names.of(name) for name in classes], list(names.families)
    axes.set_xticks(range(len(classes)), labels, rotation=45, ha="right", fontfamily=fonts)
    axes.set_yticks(range(len(classes)), labels, fontfamily=fonts)
    axes.set_xlabel(f"predicted\n({names.note})" if names.note else "predicted")
    axes.set_ylabel("true")
    return figure


def reliability(bins: Sequence[Mapping[str, Any]]) -> "Figure":
    """How often answers of each confidence were right; on the diagonal confidence can be read as a probability."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    filled = [entry for entry in bins if entry["n"]]
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.plot([entry["confidence"] for entry in filled], [entry["accuracy"] for entry in filled], marker="o")
    for entry in filled:
        axes.annotate(f"n={entry['n']}", (entry["confidence"], entry["accuracy"]), fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share right")
    return figure


def curves(epochs: Sequence[Mapping[str, Any]]) -> "Figure":
    """Every number that the epochs measured, one line each, losses apart from the rest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = sorted({name for entry in epochs for name, value in entry.items() if isinstance(value, int | float)})
    for name in names:
        if name == "epoch":
            continue
        points = [(entry["epoch"], entry[name]) for entry in epochs if isinstance(entry.get(name), int | float)]
        axes = left if "loss" in name else right
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        if axes.lines:
            axes.legend(fontsize=8)
    return figure
