"""Filters of the list of batches."""

import django_filters

from mediscan_site.core.http.filters import CodeFilter
from mediscan_site.core.models import WorkStatus
from models_registry.models import GradeBatch


class GradeBatchFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = CodeFilter()
    model = CodeFilter(prefix="model")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)
    origin = django_filters.ChoiceFilter(choices=GradeBatch.Origin.choices)

    class Meta:
        model = GradeBatch
        fields: list[str] = []
