"""What doctors say of a version's answers. Only blind reads measure it: who has seen an answer is no independent reader, and who
volunteers an opinion does so more often about some answers than about others."""

from typing import Any

from mediscan_site.core.models import WorkStatus
from models_registry.grades import covering, measuring
from models_registry.models import BlindRead, Feedback, Grade, ModelVersion


def figures(model: ModelVersion) -> dict[str, Any]:
    """Blind reads: accuracy of the answers and coverage of the sets, beside the test split's, and the drift; feedback apart."""
    drawn = BlindRead.objects.filter(grade__model=model, grade__image__erased_at__isnull=True)
    done = list(drawn.filter(read_class__isnull=False).order_by("pk"))
    related = Grade.objects.select_related(*measuring.RELATED).prefetch_related("project__class_rows")
    grades = related.in_bulk([read.grade_id for read in done])
    reads = [measuring.Read(grades[read.grade_id], read.read_class_id) for read in done if read.read_class_id]
    here, test = measuring.figures(model, reads), measuring.of_the_test_split(model)
    return {
        "drawn": drawn.count(),
        "waiting": drawn.filter(read_at__isnull=True).count(),
        "ungradable": drawn.filter(read_at__isnull=False, read_class__isnull=True).count(),
        "here": here,
        "test_split": test,
        "drift": measuring.drift(here, test),
        "volunteered": volunteered(model),
        "read_first": covering.figures(model),
    }


def volunteered(model: ModelVersion) -> dict[str, Any]:
    """Feedback that was given unasked, and how often doctors overrode an answer or ended with its class."""
    from models_registry.statistics.shares import share

    answers = Grade.objects.filter(
        model=model, status=WorkStatus.SUCCEEDED, decision=Grade.Decision.ANSWER, image__erased_at__isnull=True
    )
    given = list(
        Feedback.objects.filter(grade__in=answers)
        .order_by("grade", "-pk")
        .values_list("grade", "correct", "grade__image__patient", "grade__image")
    )
    newest = {grade: (correct, patient or f"#{image}") for grade, correct, patient, image in reversed(given)}
    labelled = answers.filter(image__approval_status="approved", image__label_class__isnull=False, seen_in__isnull=True)
    pairs = list(labelled.values_list("prediction", "image__label_class", "image__patient", "image"))
    groups = [patient or f"#{image}" for *_, patient, image in pairs]
    return {
        "answers": answers.count(),
        "feedback": len(newest),
        "overridden": share([not correct for correct, _ in newest.values()], [group for _, group in newest.values()]),
        "agreement": share([said == label for said, label, *_ in pairs], groups),
    }
