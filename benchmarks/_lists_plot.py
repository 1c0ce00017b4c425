"""The picture of `benchmarks.lists`: how long each page takes with few and with very many scans, engine by engine."""

from pathlib import Path
from typing import Any, Final

LIMIT_COLOUR: Final = "#b3261e"
FEW, MANY = "#9aa5b1", "#1f5fa8"
ENGINES: Final = {"sqlite": "SQLite", "mariadb": "MariaDB", "mysql": "MySQL", "postgres": "PostgreSQL"}


def draw(figures: dict[str, Any], limit_ms: float, path: Path) -> None:
    """`figures`: "ENGINE SCANS" to what was asked, as the benchmark keeps it. Writes an SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    sites = {tuple(name.split()): asked for name, asked in figures.items() if isinstance(asked, dict) and " " in name}
    engines = [engine for engine in ENGINES if any(site[0] == engine for site in sites)]
    names = [name for name, row in next(iter(sites.values())).items() if isinstance(row, dict)][::-1]
    figure = Figure(figsize=(3.4 + 2.6 * len(engines), 1.2 + 0.17 * len(names)), layout="constrained")
    axes = figure.subplots(1, len(engines), sharey=True, sharex=True, squeeze=False)[0]
    for ax, engine in zip(axes, engines, strict=True):
        _panel(ax, engine, {int(site[1]): asked for site, asked in sites.items() if site[0] == engine}, names)
        ax.axvline(limit_ms, color=LIMIT_COLOUR, linewidth=0.8, linestyle="--")
    axes[0].set_yticks(range(len(names)), names, fontsize=6.5)
    axes[0].set_ylim(-1, len(names))
    figure.supxlabel("95th percentile in milliseconds", fontsize=8)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    # Words as words, not as outlines: a fifth of the size, and searchable. No date: the same figures are the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "mediscan"}):
        figure.savefig(path, metadata={"Date": None})


def _panel(ax: Any, engine: str, by_scans: dict[int, dict[str, Any]], names: list[str]) -> None:
    few, many = min(by_scans), max(by_scans)
    places = range(len(names))
    times = {scans: [asked[name]["p95_ms"] for name in names] for scans, asked in by_scans.items()}
    ax.hlines(places, times[few], times[many], color="#d5dae0", linewidth=2, zorder=1)
    for scans, colour in ((few, FEW), (many, MANY)):
        ax.scatter(times[scans], places, s=12, color=colour, label=f"{scans:,} scans", zorder=2)
    ax.set_xscale("log")
    ax.set_title(ENGINES[engine], fontsize=9)
    ax.tick_params(axis="x", labelsize=7)
    ax.grid(axis="x", which="major", linewidth=0.4)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
