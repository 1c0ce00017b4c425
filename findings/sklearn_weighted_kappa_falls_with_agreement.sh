#!/usr/bin/env bash
# scikit-learn: two more scans on which both readers agree take the quadratically weighted kappa from
# 0.875 to 0.743, if their grades had not been given before.
#
# Weighted kappa counts how many grades lie between two opinions. `cohen_kappa_score` counts how many
# *classes that occur* lie between: grades 1 and 4 are neighbours as long as nobody said 2 or 3.
# Without `labels` each sample has a scale of its own, so values of two months, two pairs of readers
# or the samples of a bootstrap are not comparable, and a rare grade in one scan moves all of them.
# Numbers as labels do not help; nothing is said.
# Hit: grades of severity, such as BI-RADS or Kellgren-Lawrence, where the middle ones are rare.
# Instead: `labels=` with the whole scale, always; that gives 0.740 and then 0.743.
# Upstream: the documentation of `labels` says that those that appear are used; no thread found that
# tells what it does to the weights.
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
from sklearn.metrics import cohen_kappa_score

warnings.simplefilter("error")
GRADES = [0, 1, 2, 3, 4]
FIRST = [0] * 20 + [1] * 20 + [4] * 20
SECOND = [0] * 20 + [1] * 15 + [4] * 5 + [4] * 15 + [1] * 5  # ten scans between 1 and 4
AGREED = [2, 3]


def kappa(first, second, **options):
    return cohen_kappa_score(first, second, weights="quadratic", **options)


def by_hand(first, second):
    """One minus the mean squared distance of the readers over that of any two of their opinions (Cohen 1968)."""
    apart = np.subtract.outer(np.array(first), np.array(second)) ** 2
    return 1 - np.diag(apart).mean() / apart.mean()


more = FIRST + AGREED, SECOND + AGREED
seen = kappa(FIRST, SECOND), kappa(*more)
scaled = kappa(FIRST, SECOND, labels=GRADES), kappa(*more, labels=GRADES)
right = by_hand(FIRST, SECOND), by_hand(*more)
print("scikit-learn", sklearn.__version__, "NumPy", np.__version__)
print(f"Expected: {right[0]:.3f} before and {right[1]:.3f} after two more scans of grades {AGREED}, both agreed on")
print(f"Seen:     {seen[0]:.3f} before and {seen[1]:.3f} after")
print(f"Seen:     {scaled[0]:.3f} before and {scaled[1]:.3f} after with labels={GRADES}")
if not np.allclose(scaled, right) or not np.isclose(seen[0], 0.875) or not np.isclose(seen[1], right[1]):
    sys.exit("CHANGED: the weights go by other distances.")
PY
venv/bin/python try.py
