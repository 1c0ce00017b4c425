"""The API of training runs."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.http.api import parsed, stored_bytes
from mediscan_site.core.http.bytes import blob_response
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet, accepted
from training import selectors, services
from training import serializers as shapes
from training.filters import RunFilter
from training.models import TrainingRun
from training.wishes import Wishes


class TrainingRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = TrainingRun.objects.none()
    visible_to = staticmethod(selectors.runs)
    code_prefix = "training"
    serializer_class = shapes.RunSerializer
    filterset_class = RunFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    bytes_actions = ("inputs_sheet",)

    @extend_schema(request=shapes.RunRequestSerializer, responses={202: shapes.RunSerializer})
    def create(self, request: Request) -> Response:
        """Train a model on the approved scans (frozen now) or on a data set frozen before; `model` to continue from one."""
        run = services.start_run(actor=caller(request), **self._asked(request))
        return self._accepted(request, run)

    @extend_schema(request=shapes.RunRequestSerializer, responses={200: shapes.PlanSerializer})
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def plan(self, request: Request) -> Response:
        """What a run would see and why, with which settings, and how long it would take. Nothing is started."""
        planned = services.plan_run(actor=caller(request), **self._asked(request))
        return Response(shapes.PlanSerializer(planned).data)

    @extend_schema(request=None, responses={202: shapes.RunSerializer})
    @action(detail=True, methods=["post"], filterset_class=None)
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop the run: at once while it is queued, within seconds while it is running."""
        run = services.cancel_run(actor=caller(request), run=self.get_object())
        return self._accepted(request, run)

    @extend_schema(responses=stored_bytes("image/png"))
    @action(detail=True, filterset_class=None, url_path="inputs-sheet")
    def inputs_sheet(self, request: Request, pk: str) -> HttpResponseBase:
        """What the network sees: some training scans as it is given them, each above itself as changed in learning. PNG."""
        run = self.get_object()
        stream, blob = services.open_inputs_sheet(actor=caller(request), run=run)
        return blob_response(request, stream, blob, file_name=f"{run.code}_inputs.png")

    def _asked(self, request: Request) -> dict[str, Any]:
        """Of `start_run` and `plan_run`."""
        values = parsed(shapes.RunRequestSerializer(data=request.data, context=self.get_serializer_context()))
        return {
            "project": values.pop("project"),
            "snapshot": values.pop("dataset", None),
            "wishes": Wishes.of(base_model=values.pop("model", None), **values),
        }

    def _accepted(self, request: Request, run: TrainingRun) -> Response:
        shown = self.get_serializer(selectors.runs(request.user).get(pk=run.pk))
        return accepted(request, run, "training-run-detail", shown)
