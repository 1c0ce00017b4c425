"""Read queries of acceptance tests."""

from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet

from images.models import Project
from mediscan_site.core.models import ACTIVE, WorkStatus
from models_registry import policies
from models_registry.acceptance import drawing
from models_registry.grades import measuring
from models_registry.models import AcceptanceDecision, AcceptanceTest, Grade
from models_registry.versions import places

_ANSWERED = Q(cases__grade__status=WorkStatus.SUCCEEDED, cases__image__erased_at__isnull=True)


def tests(user: Any) -> QuerySet[AcceptanceTest]:
    """With how many are graded, waiting and failed, and the decisions."""
    decided = AcceptanceDecision.objects.select_related("decided_by").order_by("-pk")
    return (
        policies.visible_acceptance_tests(user)
        .select_related("project", "model", "created_by")
        .prefetch_related(Prefetch("decisions", queryset=decided))
        .annotate(
            n_graded=Count("cases", filter=_ANSWERED, distinct=True),
            n_waiting=Count("cases", filter=Q(cases__grade__status__in=ACTIVE), distinct=True),
            n_failed=Count("cases", filter=Q(cases__grade__status=WorkStatus.FAILED), distinct=True),
        )
    )


def measured(test: AcceptanceTest) -> dict[str, Any]:
    """The figures at the place beside those of the test split."""
    cases = drawing.graded(test).select_related("label").order_by("pk")
    graded = Grade.objects.select_related(*measuring.RELATED).prefetch_related("project__class_rows")
    grades = graded.in_bulk([case.grade_id for case in cases])
    reads = [
        measuring.Read(grades[case.grade_id], case.label.label_class_id) for case in cases if case.label.label_class_id
    ]
    return {
        "here": measuring.figures(test.model, reads),
        "test_split": measuring.of_the_test_split(test.model),
    }


def figures(test: AcceptanceTest) -> dict[str, Any] | None:
    """Those of the decision, else those of now; None while scans are missing, so that nobody stops when it looks well."""
    decision = test.decisions.all()[0] if test.decisions.all() else None
    if decision is not None:
        return dict(decision.figures)
    return measured(test) if drawing.is_complete(test) else None


def state(test: AcceptanceTest) -> str:
    """open, complete, or what was decided."""
    rows = list(test.decisions.all())
    if rows:
        return str(rows[0].decision)
    return "complete" if drawing.is_complete(test) else "open"


def place_names(project: Project) -> dict[str, str]:
    return places.names(project.pk)


def known_places(project: Project) -> list[tuple[str, str]]:
    """(institution, device) pairs that scans of the project name, to choose from; ("", "") for scans that name none."""
    rows = places.named_pairs(project.pk)
    institutions = sorted({(institution, "") for institution, _ in rows})
    return [*institutions, *sorted((institution, device) for institution, device in rows if device)]
