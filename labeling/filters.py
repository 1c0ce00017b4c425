"""Filters of this app's lists. What does not exist, or is not visible, gives an empty list."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet

from images.models import SCAN_PREFIX
from labeling.models import Export, Import, Label, ResumableUpload, Review, Snapshot
from mediscan_site.core.http.filters import CodeFilter
from mediscan_site.core.models import User, WorkStatus


class ImportFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = CodeFilter()
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = Import
        fields: list[str] = []


class ExportFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    dataset = CodeFilter(field_name="snapshot", prefix="dataset")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = Export
        fields: list[str] = []


class PersonFilter(django_filters.CharFilter):  # type: ignore[misc]
    """By user name. Who that is is asked first: rows are then found by an index of their own table."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        person = User.objects.filter(username=value).values_list("pk", flat=True).first()
        return qs.none() if person is None else qs.filter(**{self.field_name: person})


class LabelFilter(django_filters.FilterSet):  # type: ignore[misc]
    image = CodeFilter(prefix=SCAN_PREFIX)
    project = CodeFilter()
    source = django_filters.ChoiceFilter(choices=Label.Source.choices)
    annotator = PersonFilter(field_name="reader")

    class Meta:
        model = Label
        fields: list[str] = []


class ReviewFilter(django_filters.FilterSet):  # type: ignore[misc]
    image = CodeFilter(prefix=SCAN_PREFIX)
    project = CodeFilter()
    status = django_filters.ChoiceFilter(choices=Review.Status.choices)
    reviewer = PersonFilter(field_name="reviewer")

    class Meta:
        model = Review
        fields: list[str] = []


class SnapshotFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()

    class Meta:
        model = Snapshot
        fields: list[str] = []


class UploadFilter(django_filters.FilterSet):  # type: ignore[misc]
    project = CodeFilter()
    file_name = django_filters.CharFilter()
    size = django_filters.NumberFilter(min_value=0, max_value=2**62)
    finished = django_filters.BooleanFilter(field_name="batch", lookup_expr="isnull", exclude=True)
    mine = django_filters.BooleanFilter(method="by_mine", label="begun by the caller (administrators see all)")

    class Meta:
        model = ResumableUpload
        fields: list[str] = []

    def by_mine(self, queryset: QuerySet[ResumableUpload], name: str, value: bool) -> QuerySet[ResumableUpload]:  # noqa: FBT001
        own = Q(created_by=self.request.user.pk)
        return queryset.filter(own if value else ~own)
