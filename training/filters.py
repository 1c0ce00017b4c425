"""Filters of the list of runs. What the user cannot see, and what does not exist, gives an empty list."""

import django_filters

from mediscan_site.core.models import WorkStatus
from models_registry.filters import by_key
from training.models import TrainingRun


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = by_key("project")
    dataset = by_key("snapshot", "dataset")
    model = by_key("model", "model")
    status = django_filters.ChoiceFilter(choices=WorkStatus.choices)

    class Meta:
        model = TrainingRun
        fields: list[str] = []
