"""What a version must show before it may serve. Pure: it judges metrics, it reads nothing.

It refuses on evidence: too few cases to tell is a warning that is recorded with the deployment, not a refusal. Against the
deployed version the pairwise tests of the report decide; only where there are none, a tolerance on the two figures does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from models_registry.statistics.comparison import significant
from models_registry.versions.report import figure

NAME: Final = "balanced_accuracy"
# A version may be this much worse than the one it replaces, on the same test scans, where no test can rule out chance.
TOLERANCE: Final = 0.02


@dataclass(frozen=True)
class Verdict:
    """`reasons`: why it is refused (empty: it passes). `warnings`: what could not be decided."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            **{key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()},
        }


def judge(
    *,
    metrics: Mapping[str, Any] | None,
    n_classes: int,
    served_metrics: Mapping[str, Any] | None = None,
    replaces: str = "",
    flattered: str = "",
    replaced_flattered: str = "",
) -> Verdict:
    """`metrics`: the newest report of the version, None without a succeeded evaluation. `replaces`: the code of the deployed
    version, if there is one; `served_metrics`: its report on the same data set, None when there is none. `flattered` and
    `replaced_flattered` say why that test split cannot fairly judge the one and the other; empty when it can."""
    if metrics is None:
        return Verdict(reasons=("It has no succeeded evaluation. Evaluate it first.",))
    if flattered:
        return Verdict(reasons=(f"Its newest evaluation proves nothing: {flattered} Evaluate it on another data set.",))
    parts = [_against_chance(metrics, 1 / n_classes)]
    if replaces and replaced_flattered:
        why = f"It could not be compared with the deployed version: {replaced_flattered}"
        parts.append(Verdict(warnings=(why,)))
    elif replaces:
        tests = _tests_against(metrics, replaces)
        parts.append(_by_tests(tests) if tests else _by_tolerance(metrics, served_metrics))
    figures: dict[str, Any] = {"deployed": None}
    for part in parts:
        figures |= part.figures
    return Verdict(
        tuple(reason for part in parts for reason in part.reasons),
        tuple(warning for part in parts for warning in part.warnings),
        figures,
    )


def _against_chance(metrics: Mapping[str, Any], chance: float) -> Verdict:
    high = figure(metrics, NAME, "high")
    figures = {NAME: figure(metrics, NAME), "high": high, "chance": chance}
    if high is None:
        why = f"Whether it is better than chance cannot be decided: {_why(metrics)}."
        return Verdict(warnings=(why,), figures=figures)
    if one_answer(metrics) is not None:
        return Verdict(reasons=("It gives every test scan the same class.",), figures=figures)
    if high > chance:
        return Verdict(figures=figures)
    reason = f"Its balanced accuracy is not above chance ({chance:.2f}): the interval ends at {high:.3f}."
    return Verdict(reasons=(reason,), figures=figures)


def one_answer(metrics: Mapping[str, Any]) -> int | None:
    """The column of the confusion matrix that holds all scans, though there are scans of several classes; None where they are in
    several, as they should be."""
    counts = metrics.get("confusion_matrix") or []
    columns = [place for place, column in enumerate(zip(*counts, strict=True)) if any(column)]
    return columns[0] if len(columns) == 1 and sum(any(row) for row in counts) > 1 else None


def _tests_against(metrics: Mapping[str, Any], deployed: str) -> list[Mapping[str, Any]]:
    """The tests of a report against this very version (a code); those that had too few cases are left out."""
    comparison = metrics.get("comparison") or {}
    if not comparison.get("available") or comparison.get("deployed") != deployed:
        return []
    return [test for test in comparison["tests"] if test["p_holm"] is not None]


def _by_tests(tests: Sequence[Mapping[str, Any]]) -> Verdict:
    """Refused where it is significantly worse in any figure; a loss that may be chance is a warning."""
    worse = significant(tests, worse=True)
    doubtful = [test for test in tests if test not in worse and test["difference"] < -TOLERANCE]
    columns = ("figure", "class", "new", "deployed", "difference", "low", "high", "p", "p_holm", "method")
    compared = [{name: test[name] for name in columns} for test in tests]
    served = next((test["deployed"] for test in tests if test["figure"] == NAME), None)
    return Verdict(
        tuple(f"It is significantly worse: {_said(test, len(tests))}" for test in worse),
        tuple(f"It may be worse, or that is chance: {_said(test, len(tests))}" for test in doubtful),
        {"deployed": served, "tests": compared},
    )


def _said(test: Mapping[str, Any], count: int) -> str:
    name = {"auroc": "AUROC"}.get(test["figure"], test["figure"].replace("_", " "))
    title = f"{name} of {test['class']}" if test["class"] else name
    return (
        f"{title} {test['new']:.3f} against {test['deployed']:.3f} of the deployed version on the same scans, "
        f"p = {test['p_holm']:.3g} ({test['method']}, corrected for {count} tests)."
    )


def _by_tolerance(metrics: Mapping[str, Any], served_metrics: Mapping[str, Any] | None) -> Verdict:
    value, served = figure(metrics, NAME), figure(served_metrics, NAME)
    figures = {"deployed": served}
    if value is None or served is None:
        return Verdict(
            warnings=(f"It could not be compared with the deployed version{_unlike(metrics)}.",), figures=figures
        )
    if value >= served - TOLERANCE:
        return Verdict(figures=figures)
    reason = f"It is worse than the deployed version on the same scans: {value:.3f} against {served:.3f}."
    return Verdict(reasons=(reason,), figures=figures)


def _unlike(metrics: Mapping[str, Any]) -> str:
    """What the report says about why there is no comparison; it may be older than what is deployed now."""
    comparison = metrics.get("comparison") or {}
    reason = "" if comparison.get("available", True) else str(comparison["reason"]).rstrip(".")
    return f" on the same data set ({reason})" if reason else " on the same data set; evaluate it again to compare them"


def _why(metrics: Mapping[str, Any]) -> str:
    entry = metrics.get(NAME)
    reason = entry.get("reason") if isinstance(entry, Mapping) else None
    return str(reason or "its evaluation has no interval")
