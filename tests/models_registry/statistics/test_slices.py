"""Subgroups: their figures, and when one is called worse than the rest."""

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from models_registry.statistics.calibration import softmax
from models_registry.statistics.paired import delong
from models_registry.statistics.resampling import Groups
from models_registry.statistics.slices import MAX_VALUES, against_rest, influence, slice_report

CLASSES = ["A", "B"]


def cases(n: int, k: int = 2, *, use=2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; ``use`` (one number, or one per case) is how much the picture tells."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return y, softmax(rng.normal(size=(n, k)) + np.broadcast_to(use, n)[:, None] * np.eye(k)[y])


def report(y: np.ndarray, p: np.ndarray, columns: dict[str, list[str]], **options):
    groups = options.pop("groups", list(range(len(y))))
    return slice_report(y, p, groups, [f"C{c}" for c in range(p.shape[1])], columns, **{"n_boot": 50, **options})


def test_figures_of_a_slice_are_scikit_learns_of_its_cases():
    y, p = cases(200)
    sex = ["female" if i % 3 else "male" for i in range(200)]
    found = {entry["value"]: entry for entry in report(y, p, {"sex": sex})}
    assert list(found) == ["female", "male"]
    for name, entry in found.items():
        here = np.array(sex) == name
        guess = p[here].argmax(axis=1)
        assert (entry["by"], entry["n"], entry["n_groups"]) == ("sex", here.sum(), here.sum())
        assert entry["sensitivity"]["value"] == pytest.approx(sk.recall_score(y[here], guess))
        assert entry["specificity"]["value"] == pytest.approx(sk.recall_score(y[here], guess, pos_label=0))
        assert entry["auroc"]["value"] == pytest.approx(sk.roc_auc_score(y[here], p[here, 1]))
        assert entry["auroc"]["low"] <= entry["auroc"]["value"] <= entry["auroc"]["high"]
        rest = found["male" if name == "female" else "female"]
        difference = entry["sensitivity"]["value"] - rest["sensitivity"]["value"]
        assert entry["against_rest"]["sensitivity"]["difference"] == pytest.approx(difference)


def test_a_device_on_which_the_version_fails_is_named_and_no_other():
    device = ["old" if i % 5 == 0 else "new" if i % 2 else "newer" for i in range(600)]
    y, p = cases(600, use=[0.0 if name == "old" else 3.0 for name in device])
    found = {entry["value"]: entry for entry in report(y, p, {"device": device, "view": ["pa", "ap"] * 300})}
    assert set(found["old"]["worse"]) == {"sensitivity", "specificity", "auroc"}
    assert found["pa"]["worse"] == found["ap"]["worse"] == found["new"]["worse"] == found["newer"]["worse"] == []
    test = found["old"]["against_rest"]["sensitivity"]
    assert test["high"] < 0
    assert test["p"] <= test["p_holm"] < 0.05


def test_a_shifted_operating_point_shows_in_sensitivity_though_the_area_is_the_same():
    y, p = cases(600)
    shifted = np.arange(600) < 200
    moved = softmax(np.log(p) + np.outer(shifted, [1.5, 0.0]))
    (found, _) = report(y, moved, {"view": ["a" if here else "b" for here in shifted]})
    assert found["worse"] == ["sensitivity"]
    assert found["against_rest"]["specificity"]["difference"] > 0


def test_where_nothing_differs_hardly_ever_a_slice_is_named():
    """60 test sets without any difference and 11 slices each: with the correction at most 3 would be expected to
    name one; 9 or more have a chance below 1 in 200."""
    named = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        y, p = cases(240, seed=seed)
        columns = {
            "sex": list(rng.choice(["male", "female", ""], 240)),
            "age": list(rng.choice(["0 to 17", "18 to 39", "40 to 64", "65 and older"], 240, p=[0.1, 0.2, 0.3, 0.4])),
            "device": list(rng.choice(["a", "b", "c", "d"], 240, p=[0.6, 0.2, 0.1, 0.1])),
        }
        named += any(entry["worse"] for entry in report(y, p, columns, n_boot=0))
    assert named < 9


def test_the_variance_of_an_area_is_delongs_where_patients_do_not_repeat():
    y, p = cases(400, use=0.7)
    side = np.arange(400) % 2 == 0
    own = influence("auroc", y, p, side)
    # Against a score that orders nothing, DeLong's error of the difference is that of the area alone.
    alone = delong(y[side] == 1, p[side, 1], np.zeros(side.sum()))
    assert math.sqrt((own.per_case**2).sum()) == pytest.approx(alone.error, rel=0.01)
    assert own.per_case.sum() == pytest.approx(0, abs=1e-12)
    assert not own.per_case[~side].any()


@pytest.mark.parametrize("name", ["sensitivity", "specificity", "auroc"])
def test_scans_of_one_patient_do_not_count_as_so_many_patients(name):
    y, p = cases(200, use=1.0)
    inside = np.arange(200) % 4 == 0
    one = against_rest(y, p, Groups.of(list(range(200))), inside)[name]
    again = against_rest(y.repeat(5), p.repeat(5, 0), Groups.of(list(np.arange(200).repeat(5))), inside.repeat(5))[name]
    believed = against_rest(y.repeat(5), p.repeat(5, 0), Groups.of(list(range(1000))), inside.repeat(5))[name]
    assert again["high"] - again["low"] == pytest.approx(one["high"] - one["low"], rel=0.15)
    assert believed["high"] - believed["low"] < 0.6 * (one["high"] - one["low"])


def test_a_handful_that_is_all_wrong_proves_less_than_it_seems():
    """Ten positives, none found, against nine tenths of the rest: worse, yet not with the certainty of a zero variance."""
    y = np.array([1] * 10 + [0] * 10 + [1] * 100 + [0] * 100)
    right = np.array([0] * 10 + [1] * 10 + [1] * 90 + [0] * 10 + [1] * 100, dtype=bool)
    said = np.where(right, y, 1 - y)
    p = np.where(said[:, None] == [[0, 1]], 0.9, 0.1)
    test = against_rest(y, p, Groups.of(list(range(220))), np.arange(220) < 20)["sensitivity"]
    assert test["difference"] == pytest.approx(-0.9)
    assert test["low"] < -0.9 < test["high"] < -0.5


def test_unknown_is_a_slice_of_its_own_and_one_value_divides_nothing():
    y, p = cases(60)
    columns = {"sex": ["male", ""] * 30, "view": ["pa"] * 60, "device": [""] * 60}
    assert [(entry["by"], entry["value"]) for entry in report(y, p, columns)] == [("sex", "male"), ("sex", "unknown")]


def test_too_few_cases_give_no_figure_and_no_test_and_say_so():
    y, p = cases(60)
    found = report(y, p, {"view": ["lateral"] * 4 + ["pa"] * 56})[0]
    assert found["n"] == 4
    assert found["sensitivity"]["value"] is None
    assert "only 4 cases" in found["sensitivity"]["reason"]
    assert found["against_rest"]["auroc"]["p"] is None
    assert found["worse"] == []
    few = report(y, p, {"view": ["lateral"] * 12 + ["pa"] * 48})[0]
    assert few["against_rest"]["auroc"]["reason"] == "fewer than 10 cases of a kind in it"
    patients = report(y, p, {"view": ["a", "b"] * 30}, groups=[i % 4 for i in range(60)])[0]
    assert patients["against_rest"]["auroc"]["reason"] == "fewer than 5 groups in it"
    assert patients["sensitivity"]["low"] is None


def test_the_rarest_of_many_values_are_taken_together():
    y, p = cases(400)
    device = [f"device {i % 3}" if i < 300 else f"rare {i % 25}" for i in range(400)]
    found = report(y, p, {"device": device}, n_boot=0)
    assert len(found) == MAX_VALUES
    assert found[-1]["value"] == "other"
    assert sum(entry["n"] for entry in found) == 400


def test_several_classes_are_means_over_the_classes():
    y, p = cases(300, 3)
    here = np.arange(300) % 2 == 0
    found = report(y, p, {"view": ["a" if side else "b" for side in here]})[0]
    wanted = sk.roc_auc_score(y[here], p[here], multi_class="ovr")
    rest = sk.roc_auc_score(y[~here], p[~here], multi_class="ovr")
    assert found["auroc"]["value"] == pytest.approx(wanted)
    assert found["against_rest"]["auroc"]["difference"] == pytest.approx(wanted - rest)
    recall = sk.recall_score(y[here], p[here].argmax(axis=1), average="macro")
    assert influence("sensitivity", y, p, here).value == pytest.approx(recall)


def test_slices_are_plain_json():
    y, p = cases(80)
    found = report(y, p, {"view": ["a", "b"] * 40})
    assert found == json.loads(json.dumps(found, allow_nan=False))
    assert report(np.zeros(0, dtype=int), np.zeros((0, 2)), {"view": []}) == []
