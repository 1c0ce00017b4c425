"""What the card and the page say about confidence: every figure with its basis, and a reason for what is missing."""

import numpy as np
import pytest
from django.urls import reverse

from models_registry.models import ModelVersion
from models_registry.versions import cards, confidence
from training.engine.calibrating import HELD_OUT, CalibrationScans
from training.engine.crossfit import Targets, calibrate

pytestmark = pytest.mark.django_db


def facts(n: int = 200, expected: tuple[float, ...] | None = (0.95, 0.05), groups: int = 100, second: int = 2):
    """The calibration of a version as its registration keeps it, fitted for real on seeded scores."""
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % second == second - 1).astype(np.int64)
    logits = rng.normal(size=(n, 2)) + 2 * np.eye(2)[labels]
    scans = CalibrationScans(logits, labels, tuple(f"p{i % groups}" for i in range(n)), HELD_OUT)
    found = calibrate(scans, (0.7, 0.3), Targets(0.8, 0.9, expected, ("NORMAL", "OPACITY")), "key")
    return {
        **found.calibration.to_dict(),
        "referral": found.referral.to_dict(),
        "prevalence": [0.7, 0.3],
        "prior": found.prior.to_dict(),
        "conformal": found.conformal.to_dict(),
    }


@pytest.fixture
def version(make_version):
    def make(**changes) -> ModelVersion:
        model: ModelVersion = make_version()
        model.calibration = facts(**changes)
        model.save()
        return model

    return make


def test_the_card_says_what_confidence_rests_on(version):
    model = version()
    said = cards.text(model, None)
    kept = model.calibration
    assert f"Temperature {kept['temperature']:.3f}, fitted on 200 scans of 100 patients" in said
    assert "a part of validation, by group, that chose nothing" in said
    assert (
        "Calibrated at a prevalence of NORMAL 50%, OPACITY 50%, corrected to the expected NORMAL 95%, OPACITY 5%."
        in said
    )
    assert f"(ECE) {kept['ece_before']:.3f} before and {kept['ece_after']:.3f} after" in said
    assert f"measured coverage {kept['referral']['measured_coverage'] * 100:.3g}% (wanted 80%)" in said
    assert "Prediction sets for a coverage of 90% within each class: measured coverage" in said
    assert "guarantee" not in said


def test_without_an_expected_prevalence_the_card_says_what_the_probabilities_are_of(version):
    assert "those of equally frequent classes" in cards.text(version(expected=None), None)


def test_what_could_not_be_measured_or_fitted_says_why(version):
    two = "\n".join(confidence.lines(version(n=40, groups=2)))
    reason = "too few groups to leave some of them out of every fit"
    assert f"Calibration error: not available ({reason})." in two
    assert f"coverage not measured ({reason})" in two
    assert "chosen to answer 80% of the scans." in two
    model = version(n=10)
    assert confidence.lines(model) == [
        "Not calibrated (only 10 calibration scans, at least 20 are needed): no confidence is shown, and every scan is referred."
    ]


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (80, "Not available within each class (class OPACITY has 8 calibration scans, a coverage of 0.9 needs 9)."),
        (40, "Not calibrated (class OPACITY has 4 calibration scans, at least 5 are needed)"),
    ],
)
def test_card_and_page_name_the_class_that_is_too_rare(n, said, version, client, admin):
    model = version(n=n, expected=None, second=10)
    assert said in cards.text(model, None)
    client.force_login(admin)
    reason = said[said.index("class OPACITY") : said.index(",")]
    assert reason in client.get(reverse("model", args=[model.pk])).content.decode()


def test_the_page_shows_sentences_and_the_thresholds_of_each_class(version, client, admin):
    model = version()
    client.force_login(admin)
    shown = client.get(reverse("model", args=[model.pk])).content.decode()
    threshold = model.calibration["conformal"]["class_conditional"]["thresholds"][1]
    assert f"{threshold:.3f}" in shown
    assert "corrected to the expected NORMAL 95%, OPACITY 5%" in shown
    assert "fitted on 200 scans of 100 patients" in shown


def test_a_version_from_before_says_what_it_knows(make_version, client, admin):
    model = make_version()
    assert (model.calibration["prior"], model.calibration["conformal"]) == (None, None)
    assert confidence.rows(model) == []
    assert confidence.lines(model)[:2] == [
        "Temperature 1.500, fitted on 40 scans.",
        "Trained at a prevalence of NORMAL 50%, OPACITY 50%.",
    ]
    client.force_login(admin)
    assert client.get(reverse("model", args=[model.pk])).status_code == 200


@pytest.mark.parametrize(
    ("networks", "members", "said"),
    [(3, 3, "as many as serve"), (1, 1, "as many as serve"), (None, 1, "as many as serve"), (None, 3, "one for each")],
)
def test_out_of_fold_calibration_says_whether_it_is_of_what_serves(networks, members, said, version):
    """Earlier versions do not say of how many networks their calibration is: it was one."""
    model = version()
    model.calibration |= {"origin": "out of fold", "networks": networks}
    model.card["training"]["members"] = members
    (line,) = (line for line in confidence.lines(model) if line.startswith("Temperature"))
    assert f"each scored by networks that did not train on its group, {said}" in line
