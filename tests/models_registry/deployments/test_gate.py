"""The gate judges metrics alone."""

import pytest

from models_registry.deployments import gate
from tests.models_registry.conftest import report


def test_without_an_evaluation_it_refuses():
    verdict = gate.judge(metrics=None, n_classes=2)
    assert not verdict.passed
    assert "no succeeded evaluation" in verdict.reasons[0]


def test_an_interval_that_ends_at_or_below_chance_is_refused():
    assert not gate.judge(metrics=report(0.4, 0.3, 0.5), n_classes=2).passed
    assert gate.judge(metrics=report(0.4, 0.3, 0.51), n_classes=2).passed
    assert gate.judge(metrics=report(0.4, 0.3, 0.5), n_classes=3).passed


def test_one_answer_for_every_scan_is_no_model():
    """Its interval need not end at chance: forty scans do not prove that it has no other answer."""
    metrics = {**report(0.5, 0.4, 0.6), "confusion_matrix": [[20, 0], [20, 0]]}
    verdict = gate.judge(metrics=metrics, n_classes=2)
    assert not verdict.passed
    assert "the same class" in verdict.reasons[0]
    assert gate.judge(metrics={**metrics, "confusion_matrix": [[20, 0], [19, 1]]}, n_classes=2).passed


def test_too_few_cases_warn_and_do_not_refuse():
    metrics = report()
    metrics["balanced_accuracy"] = {"value": None, "low": None, "high": None, "reason": "only 3 cases"}
    verdict = gate.judge(metrics=metrics, n_classes=2)
    assert verdict.passed
    assert "only 3 cases" in verdict.warnings[0]


def test_more_than_two_points_worse_than_the_deployed_one_is_refused():
    def replacing(value: float) -> gate.Verdict:
        return gate.judge(metrics=report(value), n_classes=2, served_metrics=report(0.9), replaces="model001")

    assert not replacing(0.87).passed
    assert replacing(0.89).passed
    assert replacing(0.95).passed


def test_what_cannot_be_compared_is_said():
    verdict = gate.judge(metrics=report(), n_classes=2, served_metrics=None, replaces="model001")
    assert verdict.passed
    assert "could not be compared" in verdict.warnings[0]
    assert verdict.as_json()["passed"] is True


def compared(*differences: tuple[float, float], deployed: str = "model001"):
    """A report with tests against a deployed version: difference and corrected p of each."""
    tests = [
        {
            "figure": "balanced_accuracy",
            "class": None,
            "new": 0.9 + difference,
            "deployed": 0.9,
            "difference": difference,
            "low": difference - 0.02,
            "high": difference + 0.02,
            "p": p / 2,
            "p_holm": p,
            "method": "bootstrap over groups",
        }
        for difference, p in differences
    ]
    return {**report(), "comparison": {"available": True, "deployed": deployed, "tests": tests}}


def against(metrics, served: float | None = 0.9) -> gate.Verdict:
    return gate.judge(
        metrics=metrics, n_classes=2, served_metrics=report(served) if served else None, replaces="model001"
    )


def test_a_significantly_worse_version_is_refused_with_the_p_of_the_test():
    verdict = against(compared((-0.01, 0.003)))
    assert not verdict.passed
    assert "significantly worse: balanced accuracy 0.890 against 0.900" in verdict.reasons[0]
    assert "p = 0.003" in verdict.reasons[0]
    assert verdict.as_json()["figures"]["tests"][0]["p_holm"] == 0.003


@pytest.mark.parametrize(("difference", "warned"), [(-0.05, True), (-0.01, False), (0.05, False)])
def test_a_loss_that_may_be_chance_is_a_warning_where_it_is_not_small(difference, *, warned):
    verdict = against(compared((difference, 0.4)))
    assert verdict.passed
    assert bool(verdict.warnings) is warned


def test_one_figure_that_is_significantly_worse_is_enough():
    assert not against(compared((0.03, 0.01), (-0.03, 0.01))).passed


def test_a_comparison_with_another_version_than_the_deployed_one_does_not_count():
    earlier = compared((-0.05, 0.001), deployed="model007")
    assert against(earlier).passed
    refused = against({**earlier, **report(0.8)})
    assert "It is worse than the deployed version" in refused.reasons[0]


def test_without_tests_the_tolerance_holds_and_the_reason_is_named():
    missing = {"available": False, "reason": "The deployed version model001 does not know the same classes."}
    metrics = {**report(0.87), "comparison": missing}
    assert not against(metrics).passed
    assert "does not know the same classes" in against(metrics, served=None).warnings[0]
