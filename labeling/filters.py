"""Filters of this app's lists. What does not exist, or is not visible, gives an empty list."""

import django_filters
from django.db.models import Q, QuerySet

from images.models import SCAN_PREFIX
from labeling.models import Export, Import, Label, ResumableUpload, Review, Snapshot
from mediscan_site.core.http.filters import CodeFilter
from mediscan_site.core.models import WorkStatus


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


class LabelFilter(django_filters.FilterSet):  # type: ignore[misc]
    image = CodeFilter(prefix=SCAN_PREFIX)
    project = CodeFilter(field_name="image__project")
    source = django_filters.ChoiceFilter(choices=Label.Source.choices)
    annotator = django_filters.CharFilter(field_name="reader__username")

    class Meta:
        model = Label
        fields: list[str] = []


class ReviewFilter(django_filters.FilterSet):  # type: ignore[misc]
    image = CodeFilter(prefix=SCAN_PREFIX)
    project = CodeFilter(field_name="image__project")
    status = django_filters.ChoiceFilter(choices=Review.Status.choices)
    reviewer = django_filters.CharFilter(field_name="reviewer__username")

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
