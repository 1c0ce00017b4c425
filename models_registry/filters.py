"""Filters of the registry's lists. What the user cannot see, and what does not exist, gives an empty list."""

import django_filters
from django.db.models import QuerySet

from images.filters import PATIENT, asked_projects
from images.models import SCAN_PREFIX, Image, ProjectClass, Split
from images.services.naming import find_patients
from mediscan_site.core.http.filters import CodeFilter, FlagFilter
from mediscan_site.core.models import WorkStatus
from models_registry import selectors
from models_registry.models import (
    AcceptanceTest,
    Alarm,
    BlindRead,
    Deployment,
    Evaluation,
    Feedback,
    Grade,
    ModelVersion,
    Watch,
)


class ModelFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = CodeFilter()
    dataset = CodeFilter(field_name="snapshot", prefix="dataset")
    stage = django_filters.ChoiceFilter(
        choices=[(name, name) for name in (selectors.CANDIDATE, selectors.DEPLOYED, selectors.RETIRED)]
    )

    class Meta:
        model = ModelVersion
        fields: list[str] = []


class EvaluationFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter(field_name="model__project")
    model = CodeFilter(prefix="model")
    dataset = CodeFilter(field_name="snapshot", prefix="dataset")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = Evaluation
        fields: list[str] = []


class DeploymentFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    model = CodeFilter(prefix="model")
    kind = django_filters.ChoiceFilter(choices=Deployment.Kind.choices)

    class Meta:
        model = Deployment
        fields: list[str] = []


class FeedbackFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    grade = CodeFilter()
    correct = FlagFilter()
    held_for_admin = FlagFilter()

    class Meta:
        model = Feedback
        fields: list[str] = []


class HistoryFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of history and grades."""

    project = CodeFilter()
    image = CodeFilter(prefix=SCAN_PREFIX)
    model = CodeFilter(prefix="model")
    prediction = django_filters.CharFilter(method="by_class", label="class name")
    decision = django_filters.ChoiceFilter(choices=Grade.Decision.choices)
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)
    after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    patient = django_filters.CharFilter(method="by_patient", label=PATIENT)
    seen_in = django_filters.ChoiceFilter(
        choices=[*Split.choices, ("none", "none")], method="by_side", label="side of the model's own data sets"
    )

    class Meta:
        model = Grade
        fields: list[str] = []

    def by_class(self, queryset: QuerySet[Grade], name: str, value: str) -> QuerySet[Grade]:
        # Its key first: joined with the few classes, the database would read all their grades and sort them.
        named = ProjectClass.objects.filter(project__in=asked_projects(self.request.user, self.data.get("project")))
        keys = list(named.filter(name=value).values_list("pk", flat=True))
        return queryset.filter(prediction=keys[0]) if len(keys) == 1 else queryset.filter(prediction__in=keys)

    def by_side(self, queryset: QuerySet[Grade], name: str, value: str) -> QuerySet[Grade]:
        return queryset.filter(seen_in__isnull=True) if value == "none" else queryset.filter(seen_in=value)

    def by_patient(self, queryset: QuerySet[Grade], name: str, value: str) -> QuerySet[Grade]:
        projects = asked_projects(self.request.user, self.data.get("project"))
        meant = find_patients(self.request.user, value, projects)
        scans = Image.objects.filter(project__in=list(projects.values_list("pk", flat=True)), patient__in=meant)
        return queryset.filter(image__in=scans.values("pk"))


class AcceptanceFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    model = CodeFilter(prefix="model")
    site = django_filters.CharFilter(label="code of the institution")

    class Meta:
        model = AcceptanceTest
        fields: list[str] = []


class WatchFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    model = CodeFilter(prefix="model")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = Watch
        fields: list[str] = []


class AlarmFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    model = CodeFilter(prefix="model")
    site = django_filters.CharFilter(label="code of the institution")
    is_open = django_filters.BooleanFilter(method="by_open", label="not decided yet")

    class Meta:
        model = Alarm
        fields: list[str] = []

    def by_open(self, queryset: QuerySet[Alarm], name: str, value: bool) -> QuerySet[Alarm]:  # noqa: FBT001 -- a filter's
        return queryset.filter(active=True) if value else queryset.filter(active__isnull=True)


class BlindReadFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    waiting = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull", label="not read yet")

    class Meta:
        model = BlindRead
        fields: list[str] = []
