"""The audit log and the change feed in the API."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.digits import whole_number
from mediscan_site.core.http.viewsets import ApiViewSet
from mediscan_site.core.models import AuditEvent, AuditSeal
from mediscan_site.front import selectors

AFTER = OpenApiParameter("after", int, description="The last `seq` you have seen.")


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """`seq` is the event's place in the sealed chain; null in the second before it is sealed."""

    seq = serializers.IntegerField(source="seal.seq", read_only=True, allow_null=True, default=None)
    actor = serializers.CharField(source="actor_name", read_only=True)

    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "seq",
            "at",
            "actor",
            "action",
            "object_type",
            "object_id",
            "project",
            "ip",
            "request_id",
            "details",
        ]
        read_only_fields = fields


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]
    actor = django_filters.CharFilter(field_name="actor_name")
    after = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields = ("action", "object_type", "object_id", "project", "ip", "request_id")


class AuditViewSet(mixins.ListModelMixin, ApiViewSet):
    """Who did what to which object, when, from where. For admins, and members with `view_audit`."""

    queryset = AuditEvent.objects.none()
    visible_to = staticmethod(selectors.audit_events)
    serializer_class = AuditEventSerializer
    filterset_class = AuditFilter
    # By date, whichever of the two is asked for: every filter's index has it, and events are numbered as they happen.
    ordering_fields = ("id", "at")
    ordering_keys: ClassVar[dict[str, str]] = {"id": "at"}
    ordering = "-at"


class EventSerializer(serializers.ModelSerializer[AuditSeal]):
    """An event without what only the audit log shows."""

    at = serializers.DateTimeField(source="event.at", read_only=True)
    actor = serializers.CharField(source="event.actor_name", read_only=True)
    action = serializers.CharField(source="event.action", read_only=True)
    object_type = serializers.CharField(source="event.object_type", read_only=True)
    object_id = serializers.CharField(source="event.object_id", read_only=True)
    project = serializers.IntegerField(source="event.project", read_only=True, allow_null=True)

    class Meta:
        model = AuditSeal
        fields = ["seq", "at", "actor", "action", "object_type", "object_id", "project"]
        read_only_fields = fields


class EventViewSet(mixins.ListModelMixin, ApiViewSet):
    """What changed in the projects the caller sees, in the order of the sealed chain. Ask again with the last `seq`."""

    queryset = AuditSeal.objects.none()
    serializer_class = EventSerializer
    ordering_fields = ("seq",)
    ordering = "seq"

    def get_queryset(self) -> QuerySet[AuditSeal]:
        changes = selectors.changes(self.request.user)
        seen = whole_number(self.request.query_params.get("after", "0"))
        if seen is None:
            raise Invalid("after must be the last seq you have seen.", attr="after")
        return changes.filter(seq__gt=seen)

    @extend_schema(parameters=[AFTER])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)
