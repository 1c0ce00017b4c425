#!/usr/bin/env bash
# Temperature scaling of scikit-learn (new in 1.8) turns a modest score into certainty, unwarned,
# when the calibration set happens to be separable.
#
# `CalibratedClassifierCV(method="temperature")` minimises the log loss over one number, without a
# prior and without a bound. If the model makes no mistake on the calibration set, the best inverse
# temperature is infinite; the optimiser stops wherever the loss is flat enough. Twenty or forty
# cases of an easy class are often separable. `method="sigmoid"` smooths its targets for this very
# situation (Platt), so changing the method changes who is exposed. No warning is given.
# Hit: whoever calibrates on few cases, as in medicine, and then refers by confidence.
# Instead: put a prior on the temperature or smooth the targets, measure on held-out cases, and keep
# the uncalibrated score where calibration makes the held-out log loss worse.
# Upstream: scikit-learn pull request 31068 added the method; no thread about this was found.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import sys
import warnings

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

warnings.simplefilter("error")


class Scores(ClassifierMixin, BaseEstimator):
    """A trained model whose log-odds are its only feature."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, 0]

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


random = np.random.default_rng(0)
log_odds = np.concatenate([random.uniform(-3, -0.4, 20), random.uniform(0.4, 3, 20)])[:, None]
truth = np.repeat([0, 1], 20)
model = FrozenEstimator(Scores().fit(log_odds, truth))
doubtful = [[0.3]]


def probability(method):
    return CalibratedClassifierCV(model, method=method).fit(log_odds, truth).predict_proba(doubtful)[0, 1]


uncalibrated, temperature, sigmoid = 1 / (1 + np.exp(-0.3)), probability("temperature"), probability("sigmoid")
print("scikit-learn", sklearn.__version__, "NumPy", np.__version__)
print("40 calibration cases, 20 of each class, all on their own side; a new case with log-odds 0.3:")
print("Expected: about as doubtful as before, or a warning that the temperature is not determined.")
print(f"Seen:     uncalibrated {uncalibrated:.3f}, sigmoid {sigmoid:.3f}, temperature {temperature:.6f}; no warning.")
if temperature < 0.999:
    sys.exit("CHANGED: the temperature stays finite enough to leave a doubt.")
PY
venv/bin/python try.py
