"""What grades are worth against what doctors said: figures of an acceptance test and of blind reads, beside the test split's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from images.models import Image
from models_registry.grades import prediction_sets
from models_registry.models import Grade, ModelVersion
from models_registry.selectors import latest_evaluation, named_probabilities

OF_CLASS: Final = ("sensitivity", "specificity")


@dataclass(frozen=True)
class Read:
    """A succeeded grade (as `GRADES` loads it) and the class that a doctor gave the scan, by its id."""

    grade: Grade
    class_id: int


# What a query of grades to be measured loads.
RELATED: Final = ("project", "image", "model", "prediction")


def group_of(image: Image) -> str:
    """Scans of one patient, else of one study, are one group."""
    return image.patient or image.study or image.code


def figures(model: ModelVersion, reads: Sequence[Read]) -> dict[str, Any]:
    """`n`, `n_groups`, accuracy, per class sensitivity and specificity, the share answered and how many of those are right, and how
    many prediction sets hold the class; each with a 95 % interval, or why it is not available."""
    from models_registry.statistics.metrics import evaluation_report
    from models_registry.statistics.shares import share

    ids = [entry["id"] for entry in model.classes]
    names = [entry["name"] for entry in model.classes]
    known = [read for read in reads if read.class_id in ids]
    groups = [group_of(read.grade.image) for read in known]
    labels = [ids.index(read.class_id) for read in known]
    shares = [[float(read.grade.probabilities.get(str(pk), 0.0)) for pk in ids] for read in known]
    report = evaluation_report(labels, shares or _no_rows(len(ids)), groups, names)
    answered = [read.grade.decision == Grade.Decision.ANSWER for read in known]
    right = [read.grade.prediction_id == read.class_id for read in known]
    chosen = [place for place, is_answered in enumerate(answered) if is_answered]
    return {
        "n": len(known),
        "n_groups": report["n_groups"],
        "of_unknown_classes": len(reads) - len(known),
        "accuracy": {**share(right, groups)},
        "coverage": share(answered, groups),
        "answered_accuracy": share([right[i] for i in chosen], [groups[i] for i in chosen]),
        "set_coverage": _set_coverage(known, groups),
        "set_target": _target(model),
        "per_class": [{key: row[key] for key in ("class", "n", *OF_CLASS)} for row in report["per_class"]],
        "confusion_matrix": report["confusion_matrix"],
        "classes": names,
    }


def _no_rows(n_classes: int) -> Any:
    import numpy as np

    return np.zeros((0, n_classes))


def _set_coverage(reads: Sequence[Read], groups: Sequence[str]) -> dict[str, Any]:
    from models_registry.statistics.shares import share

    inside, kept = [], []
    for read, group in zip(reads, groups, strict=True):
        classes = prediction_sets.of(read.grade).classes
        if classes is not None:
            position = [entry["id"] for entry in read.grade.model.classes].index(read.class_id)
            inside.append(list(named_probabilities(read.grade))[position] in classes)
            kept.append(group)
    return share(inside, kept)


def _target(model: ModelVersion) -> float | None:
    stored = model.calibration.get("conformal")
    return float(stored["target"]) if stored else None


def of_the_test_split(model: ModelVersion) -> dict[str, Any] | None:
    """The same figures of the newest reading of a test split; None before there is one."""
    evaluation = latest_evaluation(model)
    if evaluation is None:
        return None
    metrics = evaluation.metrics
    names = ("n", "n_groups", "accuracy", "coverage", "answered_accuracy")
    rows = [{key: row.get(key) for key in ("class", "n", *OF_CLASS)} for row in metrics.get("per_class", [])]
    return {"dataset": evaluation.snapshot.code, **{name: metrics.get(name) for name in names}, "per_class": rows}


def drift(live: dict[str, Any], test: dict[str, Any] | None) -> dict[str, Any]:
    """By how much the live figures of answered grades differ from the test split's, with intervals."""
    from models_registry.statistics.shares import difference

    return {"answered_accuracy": difference(live["answered_accuracy"], (test or {}).get("answered_accuracy"))}
