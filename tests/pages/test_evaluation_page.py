"""The model page shows a whole report: curves, the comparison with what serves, and subgroups."""

import numpy as np
import pytest
from django.urls import reverse

from models_registry.statistics.calibration import softmax
from models_registry.statistics.comparison import compare, unavailable
from models_registry.statistics.metrics import evaluation_report
from models_registry.statistics.slices import slice_report
from tests.pages.test_forms import texts

pytestmark = pytest.mark.django_db


def whole_report(names: list[str], *, seed: int = 0, comparison: bool = True):
    """A report as `reporting.build` makes it, of made-up answers: an old device on which the version fails, and a deployed
    version that is better."""
    rng, n, k = np.random.default_rng(seed), 400, len(names)
    device = ["old" if i % 5 == 0 else "new" for i in range(n)]
    sex = [("female", "male", "")[i % 3] for i in range(n)]
    y, seen = rng.integers(0, k, n), rng.normal(size=(n, k))
    use = np.where(np.array(device) == "old", 0.1, 2.2)[:, None] * np.eye(k)[y]
    p, served = softmax(seen + use), softmax(seen + 2.5 * np.eye(k)[y])
    groups = [f"patient {i}" for i in range(n)]
    against = compare(y, p, served, groups, names, n_boot=100)
    return {
        **evaluation_report(y, p, groups, names, n_boot=100, refer_threshold=0.7),
        "erased": 0,
        "slices": slice_report(y, p, groups, names, {"sex": sex, "device": device}, n_boot=100),
        "undivided": ["age", "body_part"],
        "comparison": {**against, "deployed": "model001", "deployed_version": "v1.0"}
        if comparison
        else unavailable("No version is deployed."),
    }


def page_of(browser, user, model):
    return browser(user).get(reverse("model", args=[model.pk]))


def test_the_page_names_what_is_worse_and_by_which_test(browser, admin, make_version):
    metrics = whole_report(["NORMAL", "OPACITY"])
    answer = page_of(browser, admin, make_version(metrics=metrics))
    page, source = texts(answer), answer.content.decode()
    test = metrics["comparison"]["tests"][0]
    assert "Against the deployed version" in page
    assert f"{test['new']:.3f}" in page
    assert f"{test['difference']:+.3f}".replace("-", "−") in page
    assert "AUROC of OPACITY" in page
    assert "DeLong" in page
    assert "McNemar, mid-p" in page
    assert "Device “old”: sensitivity is significantly worse than in the rest" in page
    assert "Device “old”: AUROC is significantly worse than in the rest" in page
    assert "Known for no scan, or the same for all: age, body part." in page
    assert source.count('<figure class="shares">') == 2
    assert "style=" not in source
    assert "<script>" not in source


def test_several_classes_have_a_curve_each(browser, admin, make_version):
    names = ["A", "B", "C"]
    source = page_of(browser, admin, make_version(metrics=whole_report(names))).content.decode()
    assert all(f'<polyline class="line c{number}"' in source for number in range(3))
    assert "AUROC of C" in source


def test_without_a_deployed_version_the_page_says_that_nothing_was_compared(browser, admin, make_version):
    model = make_version(metrics=whole_report(["NORMAL", "OPACITY"], comparison=False))
    assert "Not compared. No version is deployed." in texts(page_of(browser, admin, model))


def test_a_report_with_too_few_cases_is_shown_as_such(browser, admin, make_version):
    y, p = np.array([0, 1, 0, 1, 0, 1]), np.full((6, 2), 0.5)
    names, groups = ["NORMAL", "OPACITY"], list(range(6))
    metrics = {
        **evaluation_report(y, p, groups, names),
        "slices": slice_report(y, p, groups, names, {"sex": ["male", "female"] * 3}),
        "undivided": [],
        "comparison": {**compare(y, p, p, groups, names), "deployed": "model001", "deployed_version": "v1.0"},
    }
    page = texts(page_of(browser, admin, make_version(metrics=metrics)))
    assert "too few cases" in page
    assert "ROC curve of OPACITY: not available, only 3 cases are not OPACITY" in page
    assert "at least 5 are needed" in page


def test_a_report_from_before_curves_were_kept_still_opens(browser, admin, make_version):
    answer = page_of(browser, admin, make_version())
    assert answer.status_code == 200
    assert "Subgroups" not in texts(answer)
