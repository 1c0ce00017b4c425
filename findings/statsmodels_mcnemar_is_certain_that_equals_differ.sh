#!/usr/bin/env bash
# statsmodels: McNemar's test of two classifiers that never disagree gives p = 0 with `exact=False`.
#
# The test looks at the cases on which exactly one of the two is right. With the continuity
# correction, on unless switched off, statsmodels takes (|n1 - n2| - 1)² / (n1 + n2) and squares the
# -1 too: where nothing differs that is 1 / 0, an infinite statistic, and the surest p-value there is.
# For one disagreement each way it gives p = 0.48 in place of 1. The exact test says 1 both times. The
# only sign is numpy's warning of a division; `p < 0.05` is true.
# Hit: a new version of a model that decides as the old one did on a small test set, or in one of
# many subgroups, is reported as significantly different.
# Instead: `exact=True` for few disagreements, and 1 where there is none.
# Upstream: no thread found; huggingface/evaluate pull request 795 (2026) is about the same division.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    statsmodels==0.15.0 numpy==2.4.6 scipy==1.17.1
} || exit 2
cd "$room"

cat > try.py <<'PY'
import sys
import warnings
from importlib.metadata import version

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar

OLD = np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 1])  # whether each case was decided rightly


def p_values(new):
    table = [[np.sum((OLD == a) & (new == b)) for b in (1, 0)] for a in (1, 0)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        exact, asymptotic = (float(mcnemar(table, exact=exact).pvalue) for exact in (True, False))
    return exact, asymptotic, [str(warning.message) for warning in warned]


same, swapped = OLD.copy(), OLD.copy()
swapped[[0, 6]] = 0, 1  # one case lost, one won
print(*(f"{name} {version(name)}" for name in ("statsmodels", "numpy", "scipy")))
print("Expected: as many won as lost is no evidence of a difference: p = 1 either way.")
equal, even = p_values(same), p_values(swapped)
for name, (exact, asymptotic, warned) in {"the same decisions": equal, "one lost, one won": even}.items():
    print(f"Seen:     {name}: exact=True gives p = {exact:.2f}, exact=False gives p = {asymptotic:.2f}; warned {warned}")
if equal[:2] != (1, 0) or even[0] != 1 or round(even[1], 2) != 0.48 or len(equal[2]) != 1 or even[2]:
    sys.exit("CHANGED: equals are compared in another way.")
PY
venv/bin/python try.py
