"""Which scans calibrate, and that what is said of confidence was measured on scans that fitted none of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_registry.inference.bundle import ClassRef, Manifest
from models_registry.inference.predictor import mean_logits
from models_registry.inference.preprocess import Preprocess
from models_registry.statistics.calibration import expected_calibration_error, softmax
from tests.training.engine.builders import make_tiles, tiny_config
from training.engine import crossfit
from training.engine.calibrating import (
    CROSS_FITTED,
    HELD_OUT,
    MIN_PER_CLASS,
    MIN_SCANS,
    OUT_OF_FOLD,
    CalibrationScans,
    divide,
    scans_of,
)
from training.engine.crossfit import Targets, calibrate
from training.engine.data import TrainData
from training.engine.fit import fit
from training.engine.grouping import group_parts
from training.engine.package import make_manifest
from training.engine.report import FitResult

TARGETS = Targets(0.8, 0.9)


def patients(n: int, per_patient: int = 1) -> tuple[str, ...]:
    return tuple(f"p{i // per_patient}" for i in range(n))


def scans(
    n: int = 400, *, share: float = 0.5, spread: float = 1.0, seed: int = 0, per_patient: int = 1
) -> CalibrationScans:
    """Scores as a class-balanced training gives them: likelihood ratios of two normal densities, times ``spread``."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) < share * n).astype(np.int64)
    x = rng.normal(size=n) + 2.0 * labels - 1
    logits = spread * np.stack((-x, x), axis=1)
    return CalibrationScans(logits, labels, patients(n, per_patient), HELD_OUT)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), min_size=1, max_size=120),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_parts_keep_groups_whole_and_do_not_depend_on_the_order(rows, parts, random):  # type: ignore[no-untyped-def]
    labels = np.array([label for label, _ in rows])
    groups = [f"g{group}" for _, group in rows]
    found = group_parts(labels, groups, parts, "key")
    of_group = {}
    for group, part in zip(groups, found.tolist(), strict=True):
        assert of_group.setdefault(group, part) == part
    assert set(found.tolist()) <= set(range(parts))
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    assert (
        group_parts(labels[shuffled], [groups[i] for i in shuffled], parts, "key").tolist() == found[shuffled].tolist()
    )


def test_parts_of_single_scans_are_equal_in_every_class_and_differ_with_the_key():
    labels = np.array([0] * 300 + [1] * 51)
    found = group_parts(labels, patients(351), 2, "one")
    sizes = [np.bincount(labels[found == part]).tolist() for part in (0, 1)]
    assert sorted(size[0] for size in sizes) == [150, 150]
    assert sorted(size[1] for size in sizes) == [25, 26]
    assert not np.array_equal(found, group_parts(labels, patients(351), 2, "two"))


def labels_of(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def test_validation_is_parted_by_patient_where_both_halves_stay_large_enough():
    labels = labels_of(MIN_PER_CLASS * 2, MIN_SCANS * 2 - MIN_PER_CLASS * 2)
    division = divide(labels, patients(len(labels)), 2, "hash")
    assert division.held_out
    assert sorted([*division.selection.tolist(), *division.calibration.tolist()]) == list(range(len(labels)))
    for half in (division.selection, division.calibration):
        assert len(half) >= MIN_SCANS
        assert np.bincount(labels[half]).min() >= MIN_PER_CLASS
    groups = patients(len(labels) * 2, 3)
    twice = divide(np.repeat(labels, 2), groups, 2, "hash")
    assert not {groups[i] for i in twice.selection} & {groups[i] for i in twice.calibration}


@pytest.mark.parametrize(
    "counts", [(MIN_PER_CLASS * 2 - 1, 500), (MIN_PER_CLASS * 2, MIN_SCANS * 2 - MIN_PER_CLASS * 2 - 1), (400, 0)]
)
def test_scarce_validation_is_not_parted(counts):
    labels = labels_of(*counts)
    division = divide(labels, patients(len(labels)), 2, "hash")
    assert not division.held_out
    assert division.selection.tolist() == division.calibration.tolist() == list(range(len(labels)))


def test_validation_stays_one_where_none_of_it_can_be_held_out():
    labels = labels_of(200, 200)
    assert divide(labels, patients(400), 2, "hash").held_out
    division = divide(labels, patients(400), 2, "hash", hold_out=False)
    assert not division.held_out
    assert division.selection.tolist() == division.calibration.tolist() == list(range(400))


def test_one_large_patient_is_no_reason_to_straddle():
    labels = labels_of(100, 100)
    groups = ["big"] * 150 + [f"p{i}" for i in range(50)]
    division = divide(labels, groups, 2, "hash")
    assert not division.held_out


@pytest.mark.parametrize("n", [8, 130])
def test_the_calibration_scans_go_through_the_code_that_serves(n):
    tiles, labels = make_tiles(n, seed=1)
    groups, config = patients(n), tiny_config(epochs=1)
    division = divide(labels, groups, 2, "hash")
    chosen = division.selection
    data = TrainData(*make_tiles(8), tiles[chosen], labels[chosen], 2)
    result = fit(data, config, device="cpu")
    found = scans_of(division, result, config, tiles, labels, groups)
    assert found.origin == (HELD_OUT if n == 130 else CROSS_FITTED)
    assert found.groups == tuple(groups[i] for i in division.calibration)
    assert found.labels.tolist() == labels[division.calibration].tolist()
    from training.engine.calibrating import _networks

    expected = mean_logits(_networks(result, config), result.preprocess, tiles[division.calibration])
    assert np.allclose(found.logits, expected, atol=1e-6)
    manifest = make_manifest(
        result, data, config, found, classes=[ClassRef(1, "NO"), ClassRef(2, "YES")], dataset_hash="ab" * 32,
        laterality_matters=True, code_version="0",
    )  # fmt: skip
    assert Manifest.from_dict(manifest.to_dict()) == manifest
    assert manifest.calibration.origin == found.origin


def test_calibration_scans_name_their_origin_and_fit_together():
    with pytest.raises(ValueError, match="origin must be one of"):
        replace(scans(10), origin="somewhere")
    with pytest.raises(ValueError, match="groups"):
        replace(scans(10), groups=("a",))


def test_an_overconfident_network_is_calibrated_and_the_figures_say_so():
    found = calibrate(scans(spread=4.0), (0.5, 0.5), TARGETS, "key").calibration
    assert found.temperature == pytest.approx(4.0, rel=0.15)
    assert (found.n, found.n_groups, found.origin) == (400, 400, HELD_OUT)
    assert found.nll_after is not None
    assert found.ece_after is not None
    assert found.nll_before is not None
    assert found.ece_before == pytest.approx(
        expected_calibration_error(softmax(scans(spread=4.0).logits), scans().labels)
    )
    assert found.nll_after < found.nll_before
    assert found.ece_after < found.ece_before / 2


def test_the_classes_count_equally_in_the_temperature():
    """A balanced network's scores are right at equal frequency; a shift of frequency must not look like overconfidence."""
    found = calibrate(scans(4000, share=0.1), (0.5, 0.5), TARGETS, "key")
    assert found.calibration.temperature == pytest.approx(1.0, rel=0.1)


def test_expecting_the_true_prevalence_lowers_the_loss_and_weights_change_nothing_there():
    found = scans(4000, share=0.1)
    plain = calibrate(found, (0.5, 0.5), TARGETS, "key")
    expecting = calibrate(found, (0.5, 0.5), replace(TARGETS, expected=(0.9, 0.1)), "key")
    assert expecting.prior.calibration == (0.9, 0.1)
    assert expecting.calibration.temperature == plain.calibration.temperature
    assert expecting.calibration.nll_after is not None
    assert plain.calibration.nll_after is not None
    assert expecting.calibration.nll_after < 0.75 * plain.calibration.nll_after
    assert expecting.calibration.ece_after is not None
    assert expecting.calibration.ece_after < 0.02


@pytest.mark.parametrize("expected", [None, (0.97, 0.03), (0.5, 0.5)])
def test_coverage_and_accuracy_hold_on_fresh_scans_of_the_expected_prevalence(expected):
    world = (0.7, 0.3) if expected is None else expected
    confidence = calibrate(scans(3000, share=0.3), (0.5, 0.5), Targets(0.8, 0.9, expected), "key")
    fresh = scans(30000, share=world[1], seed=1)
    temperature = confidence.calibration.temperature
    p = crossfit.served_probabilities(fresh.logits, temperature, confidence.prior)
    answered = p.max(axis=1) >= confidence.referral.threshold
    assert answered.mean() == pytest.approx(0.8, abs=0.04)
    assert confidence.referral.measured_coverage == pytest.approx(answered.mean(), abs=0.04)
    right = (p.argmax(axis=1) == fresh.labels)[answered].mean()
    assert confidence.referral.measured_accuracy == pytest.approx(right, abs=0.03)
    for rule in (confidence.conformal.marginal, confidence.conformal.class_conditional):
        covered = crossfit.conformal.members(p, rule)[np.arange(len(p)), fresh.labels]
        assert rule.coverage == pytest.approx(covered.mean(), abs=0.03)
        assert covered.mean() > 0.87


def test_what_is_measured_does_not_see_the_scans_it_is_measured_on():
    """With labels that mean nothing a fit on the same scans would look better than chance; measured on others it is not."""
    rng = np.random.default_rng(3)
    noise = CalibrationScans(rng.normal(size=(60, 2)), rng.integers(0, 2, 60), patients(60, 3), CROSS_FITTED)
    found = calibrate(noise, (0.5, 0.5), TARGETS, "key")
    held = crossfit._left_out(noise, (0.5, 0.5), TARGETS, "key")
    assert held is not None
    changed = noise.labels.copy()
    first = group_parts(noise.labels, noise.groups, crossfit.FOLDS, "key") == 0
    moved = replace(noise, logits=np.where(first[:, None], noise.logits * 7, noise.logits), labels=changed)
    again = crossfit._left_out(moved, (0.5, 0.5), TARGETS, "key")
    assert again is not None
    assert np.array_equal(held.thresholds[first], again.thresholds[first])
    assert not np.array_equal(held.thresholds[~first], again.thresholds[~first])
    assert found.calibration.temperature is None or found.calibration.temperature > 2


def test_too_few_scans_leave_no_calibration_no_sets_and_the_reason():
    found = calibrate(scans(16), (0.5, 0.5), replace(TARGETS, expected=(0.9, 0.1)), "key")
    assert "only 16 calibration scans" in found.calibration.reason
    assert found.conformal.rule is None
    assert found.conformal.marginal.reason == "the model is not calibrated"
    assert found.referral.measured_coverage is None


@pytest.mark.parametrize(
    ("n", "share", "part", "reason"),
    [
        (60, 0.05, "calibration", "class OPACITY has 3 calibration scans, at least 5 are needed"),
        (80, 0.1, "sets", "class OPACITY has 8 calibration scans, a coverage of 0.9 needs 9"),
    ],
)
def test_a_reason_calls_the_class_by_its_name(n, share, part, reason):
    data = TrainData(*make_tiles(8), *make_tiles(8, seed=1), 2)
    result = FitResult({}, (), 1, np.zeros((8, 2), dtype=np.float32), Preprocess(32, 0.5, 0.25), False, 0.0)
    manifest = make_manifest(
        result, data, tiny_config(), scans(n, share=share), classes=[ClassRef(1, "NORMAL"), ClassRef(2, "OPACITY")],
        dataset_hash="ab" * 32, laterality_matters=True, code_version="0",
    )  # fmt: skip
    assert manifest.conformal is not None
    said = {"calibration": manifest.calibration.reason, "sets": manifest.conformal.class_conditional.reason}
    assert said[part] == reason


@pytest.mark.parametrize(("spread", "bound"), [(1e-4, "hardly differ"), (0.0, "hardly differ"), (-1.0, "say nothing")])
def test_scores_that_are_no_better_than_guessing_are_not_calibrated(spread, bound):
    found = calibrate(scans(spread=spread), (0.5, 0.5), TARGETS, "key").calibration
    assert found.temperature is None
    assert bound in found.reason


def test_scans_of_too_few_patients_calibrate_but_nothing_is_measured():
    few = replace(scans(40, share=0.5), groups=("left",) * 20 + ("right",) * 20)
    found = calibrate(few, (0.5, 0.5), TARGETS, "key")
    assert found.calibration.available
    assert found.calibration.ece_after is None
    assert found.calibration.note == found.conformal.marginal.note == crossfit.TOO_FEW_GROUPS
    assert found.referral.measured_coverage is None


def test_out_of_fold_scans_calibrate_alike():
    found = calibrate(replace(scans(spread=2.0), origin=OUT_OF_FOLD), (0.5, 0.5), TARGETS, "key")
    assert (found.calibration.origin, found.calibration.available) == (OUT_OF_FOLD, True)


def permuted(values: Sequence[str], order: np.ndarray) -> tuple[str, ...]:
    return tuple(values[i] for i in order)


def test_the_same_scans_in_another_order_give_the_same_bundle_facts():
    one = scans(120, spread=2.0)
    order = np.random.default_rng(0).permutation(120)
    other = CalibrationScans(one.logits[order], one.labels[order], permuted(one.groups, order), one.origin)
    left, right = (calibrate(part, (0.5, 0.5), TARGETS, "key") for part in (one, other))
    assert left.calibration.temperature == pytest.approx(right.calibration.temperature, rel=1e-6)
    assert left.calibration.ece_after == pytest.approx(right.calibration.ece_after, rel=1e-6)
    assert left.referral.threshold == pytest.approx(right.referral.threshold, rel=1e-6)


def few(seed: int, spread: float) -> CalibrationScans:
    """Forty scans whose right temperature is ``spread``."""
    return scans(40, spread=spread, seed=seed)


def test_on_few_scans_the_right_temperature_is_neither_undone_nor_run_past():
    """With one smoothed scan a class of twenty, 0.4 became 0.97; without any prior a third of such samples ran to the bound."""
    found = [calibrate(few(seed, 0.4), (0.5, 0.5), TARGETS, "key").calibration.temperature for seed in range(20)]
    assert all(value is not None for value in found)
    assert 0.35 < float(np.median([value or 0 for value in found])) < 0.65
    assert min(value or 0 for value in found) > 0.2


def test_a_temperature_that_helps_nobody_it_has_not_seen_stays_one():
    """Ten scans of a class, most of whose temperatures come from two of them."""
    kept = [calibrate(scans(20, spread=1.0, seed=seed), (0.5, 0.5), TARGETS, "key").calibration for seed in range(30)]
    ones = [one for one in kept if one.temperature == 1]
    assert ones
    assert all(one.nll_after == pytest.approx(one.nll_before) for one in ones if one.nll_after is not None)
    assert any(one.temperature not in (None, 1) for one in kept)
