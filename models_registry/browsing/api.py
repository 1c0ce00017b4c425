"""The API of what the pages of versions show: the scans behind an evaluation's figures, and two versions beside one another."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.viewsets import ApiViewSet
from models_registry.browsing import comparing, differing, gallery
from models_registry.browsing import serializers as shapes

CSV = OpenApiParameter("format", str, description="`csv`: the answers as CSV.")


class AnswersMixin(ApiViewSet):
    """Of evaluations."""

    @extend_schema(parameters=[shapes.AnswersAskedSerializer, CSV], responses=shapes.AnswerSerializer(many=True))
    @action(detail=True, filterset_class=None, ordering_fields=("id", "confidence"), ordering="-confidence")
    def answers(self, request: Request, pk: str) -> HttpResponseBase:
        """What the version said of each test scan that the caller may see, the surest first; by cells of the confusion matrix
        (`true`, `predicted`), or at a cut-off. Evaluations before answers were kept have none."""
        evaluation, context = self.get_object(), self.get_serializer_context()
        sent = request.query_params
        asked = parsed(shapes.AnswersAskedSerializer(data=sent, context={**context, "model": evaluation.model}))
        right = asked.pop("right", None)
        rows = gallery.scans(request.user, evaluation.model, evaluation, gallery.Asked(**asked))
        shape = shapes.AnswerSerializer
        return self.rows_below(
            request,
            rows if right is None else rows.filter(right=right),
            lambda found: shape(found, many=True, context={"model": evaluation.model}).data,
            shape.Meta.fields,
            of=evaluation,
            project=evaluation.model.project_id,
        )


class ComparingMixin(ApiViewSet):
    """Of versions."""

    @extend_schema(parameters=[shapes.ComparisonAskedSerializer], responses=shapes.ComparisonSerializer)
    @action(detail=True, filterset_class=None)
    def compare(self, request: Request, pk: str) -> Response:
        """The version beside `other`, on the test scans that both have answered and that neither has learned from."""
        model = self.get_object()
        context = {**self.get_serializer_context(), "model": model}
        asked = parsed(shapes.ComparisonAskedSerializer(data=request.query_params, context=context))
        found, right = comparing.of(model, asked["other"]), asked.get("right", "")
        told: dict[str, Any] = {"found": found, "shown": differing.shown(request.user, found, right)}
        return Response(shapes.ComparisonSerializer(told).data)
