import numpy as np
import pytest

from models_registry.statistics.calibration import (
    Calibration,
    Referral,
    choose_threshold,
    expected_calibration_error,
    fit_temperature,
    nll,
    reliability,
    softmax,
)


def overconfident(n: int, k: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true temperature is known: labels are drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, k)) * 1.5
    labels = np.array([rng.choice(k, p=row) for row in softmax(logits)])
    return logits * temperature, labels


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(k, temperature):
    fitted = fit_temperature(*overconfident(4000, k, temperature))
    assert fitted.temperature == pytest.approx(temperature, rel=0.12)


def test_calibration_lowers_the_loss_and_the_calibration_error():
    logits, labels = overconfident(1000, 2, 4.0)
    fitted = fit_temperature(logits, labels)
    assert fitted.temperature is not None
    assert nll(logits, labels, fitted.temperature) < nll(logits, labels)
    before = expected_calibration_error(softmax(logits), labels)
    assert expected_calibration_error(softmax(logits, fitted.temperature), labels) < before / 2


def test_a_perfectly_separated_set_does_not_become_certainty():
    labels = np.arange(40) % 2
    logits = np.stack((1.0 - 2 * labels, 2.0 * labels - 1), axis=1)
    fitted = fit_temperature(logits, labels)
    assert fitted.temperature is not None
    assert softmax(logits, fitted.temperature).max() < 0.99


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.arange(19) % 2, "only 19 calibration scans"),
        (np.zeros(40, int), "class 1 has 0"),
        (np.arange(40) // 37, "has 3"),
    ],
)
def test_too_little_to_calibrate_on_is_said_with_the_reason(labels, reason):
    fitted = fit_temperature(np.random.default_rng(0).normal(size=(len(labels), 2)), labels)
    assert not fitted.available
    assert reason in fitted.reason


def test_the_threshold_answers_at_least_the_wanted_share_and_says_the_measured_one():
    confidences = np.linspace(0.5, 1, 37)
    referral = choose_threshold(confidences, 0.8)
    assert referral.measured_coverage == pytest.approx((confidences >= referral.threshold).mean())
    assert 0.8 <= referral.measured_coverage < 0.8 + 1 / 37
    assert referral.n == 37


def test_equal_confidences_are_answered_together():
    referral = choose_threshold([0.9] * 5 + [0.6] * 5, 0.7)
    assert (referral.threshold, referral.measured_coverage) == (0.6, 1.0)


@pytest.mark.parametrize(("target", "measured"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_ends_of_the_scale_refer_or_answer_everything(target, measured):
    assert choose_threshold([0.5, 0.99, 1.0], target).measured_coverage == measured


def test_a_coverage_outside_the_scale_is_refused():
    with pytest.raises(ValueError, match="coverage_target"):
        choose_threshold([0.5], 1.2)


def test_reliability_counts_every_case_once_and_a_sure_one_in_the_last_bin():
    bins = reliability([[0.0, 1.0], [0.45, 0.55], [0.42, 0.58], [0.05, 0.95]], [1, 1, 0, 1])
    assert [b.n for b in bins] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert bins[5].accuracy == 0.5
    assert bins[5].confidence == pytest.approx(0.565)
    assert bins[0].accuracy is None


def test_calibration_and_referral_survive_a_round_through_a_dictionary():
    for calibration in (Calibration(1.3, 30), Calibration(None, 3, "few")):
        assert Calibration.from_dict(calibration.to_dict()) == calibration
    for referral in (Referral(0.8, 0.9, 0.91, 30), Referral(0.0, 1.0, None, 0)):
        assert Referral.from_dict(referral.to_dict()) == referral
