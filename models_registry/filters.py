"""Filters of the registry's lists. What the user cannot see, and what does not exist, gives an empty list."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from images import policies
from images.filters import patients
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.codes import parse_code
from mediscan_site.core.models import WorkStatus
from models_registry import selectors
from models_registry.models import Deployment, Evaluation, Feedback, Grade, ModelVersion


def key(value: str, prefix: str = "") -> int | None:
    """The key in a number or code; None for what is neither."""
    try:
        return parse_code(prefix, value)
    except Invalid:
        return None


def by_key(field: str, prefix: str = "") -> Any:
    """A filter on a foreign key by number or code."""

    def choose(queryset: Any, name: str, value: str) -> Any:
        found = key(value, prefix)
        return queryset.none() if found is None else queryset.filter(**{field: found})

    return django_filters.CharFilter(method=choose, label="number or code")


class ModelFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = by_key("project")
    dataset = by_key("snapshot", "dataset")
    stage = django_filters.ChoiceFilter(
        choices=[(name, name) for name in (selectors.CANDIDATE, selectors.DEPLOYED, selectors.RETIRED)]
    )

    class Meta:
        model = ModelVersion
        fields: list[str] = []


class EvaluationFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = by_key("model__project")
    model = by_key("model", "model")
    dataset = by_key("snapshot", "dataset")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = Evaluation
        fields: list[str] = []


class DeploymentFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = by_key("project")
    model = by_key("model", "model")
    kind = django_filters.ChoiceFilter(choices=Deployment.Kind.choices)

    class Meta:
        model = Deployment
        fields: list[str] = []


class FeedbackFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = by_key("grade__project")
    grade = by_key("grade")
    correct = django_filters.BooleanFilter()
    held_for_admin = django_filters.BooleanFilter()

    class Meta:
        model = Feedback
        fields: list[str] = []


class HistoryFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of history and grades."""

    project = by_key("project")
    image = by_key("image", "img")
    model = by_key("model", "model")
    prediction = django_filters.CharFilter(field_name="prediction__name", label="class name")
    decision = django_filters.ChoiceFilter(choices=Grade.Decision.choices)
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)
    after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    patient = django_filters.CharFilter(method="by_patient", label="pseudonym or the patient id as it was sent")

    class Meta:
        model = Grade
        fields: list[str] = []

    def by_patient(self, queryset: QuerySet[Grade], name: str, value: str) -> QuerySet[Grade]:
        projects = policies.visible_projects(self.request.user).values_list("pk", flat=True)
        return queryset.filter(image__patient__in=patients(value, projects))
