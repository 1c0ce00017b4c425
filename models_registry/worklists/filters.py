"""Filters of the list of referred scans."""

import django_filters
from django.db.models import QuerySet

from images.models import SCAN_PREFIX
from mediscan_site.core.http.filters import CodeFilter
from models_registry.models import Referral
from models_registry.worklists.selectors import waits
from models_registry.worklists.serializers import CLOSED, WAITING


class ReferralFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = CodeFilter()
    image = CodeFilter(prefix=SCAN_PREFIX)
    state = django_filters.ChoiceFilter(choices=[(WAITING, WAITING), (CLOSED, CLOSED)], method="by_state")
    outcome = django_filters.ChoiceFilter(choices=Referral.Outcome.choices)
    held_for_admin = django_filters.BooleanFilter(field_name="read__held_for_admin")
    after = django_filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="lt")

    class Meta:
        model = Referral
        fields: list[str] = []

    def by_state(self, queryset: QuerySet[Referral], name: str, value: str) -> QuerySet[Referral]:
        """What waits is what the worklist hands out."""
        return queryset.filter(waits()) if value == WAITING else queryset.filter(active__isnull=True)
