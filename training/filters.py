"""Filters of the list of runs. What the user cannot see, and what does not exist, gives an empty list."""

import django_filters

from mediscan_site.core.http.filters import CodeFilter
from mediscan_site.core.models import WorkStatus
from training.models import TrainingRun


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = CodeFilter()
    dataset = CodeFilter(field_name="snapshot", prefix="dataset")
    model = CodeFilter(prefix="model")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = TrainingRun
        fields: list[str] = []
