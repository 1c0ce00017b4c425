"""The API of grade batches."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet, accepted
from models_registry.batches import selectors, services
from models_registry.batches import serializers as shapes
from models_registry.batches.filters import GradeBatchFilter
from models_registry.models import GradeBatch, GradeBatchItem

OUTCOME = OpenApiParameter(
    "outcome", str, OpenApiParameter.QUERY, enum=GradeBatchItem.Outcome.values, description="Only those that ended so."
)


class GradeBatchViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Many stored scans graded by one version, in the background; single grades go first."""

    queryset = GradeBatch.objects.none()
    visible_to = staticmethod(selectors.batches)
    serializer_class = shapes.GradeBatchSerializer
    filterset_class = GradeBatchFilter
    ordering_fields = ("id", "created_at")
    ordering = "-created_at"

    def get_serializer_class(self) -> type[shapes.GradeBatchSerializer]:
        return shapes.GradeBatchSerializer if self.action == "list" else shapes.GradeBatchDetailSerializer

    @extend_schema(request=shapes.GradeBatchStartSerializer, responses={202: shapes.GradeBatchDetailSerializer})
    def create(self, request: Request) -> Response:
        """Grade a selection, what an import brought, or what passes filters. The scans and the version are settled now."""
        values = parsed(shapes.GradeBatchStartSerializer(data=request.data, context=self.get_serializer_context()))
        return self._as_it_stands(request, services.start_batch(actor=caller(request), **values).pk)

    def _as_it_stands(self, request: Request, pk: int) -> Response:
        batch = selectors.batches(request.user).get(pk=pk)
        return accepted(request, batch, "grade-batch-detail", shapes.GradeBatchDetailSerializer(batch))

    @extend_schema(request=None, responses={202: shapes.GradeBatchDetailSerializer})
    @action(detail=True, methods=["post"], filterset_class=None)
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop; what was graded stays. For whoever started it, and administrators."""
        batch = self.get_object()
        services.cancel_batch(actor=caller(request), batch=batch)
        return self._as_it_stands(request, batch.pk)

    @extend_schema(responses=shapes.BatchResultSerializer(many=True), parameters=[OUTCOME])
    @action(detail=True, filterset_class=None, ordering_fields=("id",), ordering="id")
    def results(self, request: Request, pk: str) -> HttpResponseBase:
        """Every scan of the batch with its answer, or why it has none."""
        batch: GradeBatch = self.get_object()
        rows = selectors.results(batch, request.query_params.get("outcome"))
        return self.rows_below(request, rows, self._shape(batch), shapes.COLUMNS, of=batch, project=batch.project_id)

    def _shape(self, batch: GradeBatch) -> Any:
        def lines(items: list[GradeBatchItem]) -> Any:
            return shapes.BatchResultSerializer(selectors.with_grades(items, batch), many=True).data

        return lines
