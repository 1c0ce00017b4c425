"""The prediction set of a grade: the classes that cannot be ruled out at the rate its version was calibrated for.

Computed when it is read, from what never changes: the probabilities in the grade's row and the thresholds of its version.
These are the probabilities that the thresholds were fitted on, temperature and expected prevalence included (both sides
come from `inference.prior.served_probabilities`), so nothing is lost by not storing the set.

A set may be empty: no class is as probable as the true class was on most calibration scans. It stays empty. If the most
probable class were put in, a scan that resembles no class would read like a certain one, and the coverage and the share
of single classes on the model's card, which were measured on sets as they are, would describe other sets. (An empty set means
low credibility: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; null regions, and filling them
as the other choice: Sadinle, Lei and Wasserman, JASA 2019.) The most probable class is given next to it as `prediction`.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mediscan_site.core.models import WorkStatus
from mediscan_site.core.sentences import in_language
from models_registry import selectors
from models_registry.models import Grade
from models_registry.statistics.conformal import Conformal

_NO_CLASS = gettext_lazy(
    "With %(share)s coverage: no class fits. None is as probable here as the true class was on %(share)s of the calibration "
    "scans."
)
_SEVERAL = gettext_lazy(
    "With %(share)s coverage: %(names)s or %(last)s. The model cannot tell these apart on this scan."
)


@dataclass(frozen=True)
class PredictionSet:
    """`classes`: names, the most probable first, none when no class fits; `coverage`: the share of scans (0..1) whose sets
    are to hold the true class. Both are None where there is no set, and `reason` says why."""

    classes: tuple[str, ...] | None
    coverage: float | None
    reason: str = ""

    @property
    def sentence(self) -> str:
        """For doctors: the set, and what a set of several classes or of none says about the scan."""
        if self.classes is None or self.coverage is None:
            return _("Prediction set: not available (%(reason)s).") % {"reason": in_language(self.reason)}
        said = {"share": f"{self.coverage * 100:.3g} %"}
        if not self.classes:
            return _NO_CLASS % said
        *others, last = self.classes
        if not others:
            return _("With %(share)s coverage: %(name)s.") % {**said, "name": last}
        return _SEVERAL % {**said, "names": ", ".join(others), "last": last}


def of(grade: Grade) -> PredictionSet:
    """The set of a grade as `selectors.grades` loads it."""
    sets = _rules(grade)
    if isinstance(sets, str):
        return PredictionSet(None, None, sets)
    shares = selectors.named_probabilities(grade)
    if len(shares) != sets.n_classes:
        return PredictionSet(None, None, "the grade keeps no probability of some class")
    members = sets.prediction_set([list(shares.values())])
    if members is None:
        return PredictionSet(None, None, sets.marginal.reason)
    inside = [name for name, member in zip(shares, members[0], strict=True) if member]
    return PredictionSet(tuple(sorted(inside, key=lambda name: -shares[name])), sets.target)


def _rules(grade: Grade) -> Conformal | str:
    """The thresholds of the grade's version, or why they cannot be used."""
    if grade.status != WorkStatus.SUCCEEDED:
        return "the grade has no answer"
    calibration = grade.model.calibration
    if grade.confidence is None:
        return f"the model is not calibrated: {calibration.get('reason') or 'too few calibration scans'}"
    stored = calibration.get("conformal")
    return Conformal.from_dict(stored) if stored else "the model was made without prediction sets"
