"""A project in the API with what several readers add to it: disagreements, agreement, readers, gold scans."""

from functools import partial
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import policies
from labeling.agreement import measuring, readers, selectors
from labeling.agreement import serializers as shapes
from labeling.agreement.kappa import WEIGHTS
from labeling.reading.doubt_api import ProjectDoubtsViewSet
from labeling.reading.gold import mark_gold
from labeling.reading.labels import parse_class
from labeling.reading.serializers import LabelSerializer
from labeling.reading.several import adjudicate
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.api import IF_MATCH, parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.csv import Download, csv_response, wants_csv
from mediscan_site.core.http.preconditions import expected_version

WEIGHTED = OpenApiParameter("weights", str, enum=WEIGHTS, description="by how far apart classes stand in their order")


class ProjectReadersViewSet(ProjectDoubtsViewSet):
    @extend_schema(responses=shapes.ReadDisagreementSerializer(many=True))
    @action(detail=True, filterset_fields=(), ordering_fields=("upload_date",), ordering="upload_date")
    def adjudications(self, request: Request, pk: str) -> HttpResponseBase:
        """Scans whose readers disagree and that the caller may settle, with what each reader said."""
        project = self.get_object()
        policies.require(request.user, "review_label", project)
        rows, header = selectors.disagreements(caller(request), project), shapes.ReadDisagreementSerializer().fields
        return self.rows_below(request, rows, _opinions, header, of=project, project=project.pk)

    @extend_schema(request=shapes.AdjudicateSerializer, responses={201: LabelSerializer}, parameters=[IF_MATCH])
    @adjudications.mapping.post
    def adjudicate(self, request: Request, pk: str) -> Response:
        """Settle a disagreement: the label is approved, its source is `adjudication`, and its comment the reason."""
        project = self.get_object()
        policies.require(request.user, "review_label", project)
        asked = self._body(project, shapes.AdjudicateSerializer)
        name = asked.pop("label", None)
        label = adjudicate(
            actor=caller(request),
            label_class=parse_class(project, name) if name else None,
            expected_version=expected_version(request),
            **asked,
        )
        shape = LabelSerializer(label, context=self.get_serializer_context())
        return Response(shape.data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=shapes.AgreementSerializer, parameters=[WEIGHTED])
    @action(detail=True)
    def agreement(self, request: Request, pk: str) -> Response:
        """How far readers agree, with 95 % intervals. A reader sees of others neither names nor their single figures."""
        project = self.get_object()
        weights = measuring.parse_weights(request.query_params.get("weights"))
        return Response(shapes.AgreementSerializer(measuring.measure(request.user, project, weights)).data)

    @extend_schema(responses=shapes.ReaderSerializer(many=True))
    @action(detail=True, filterset_fields=())
    def readers(self, request: Request, pk: str) -> HttpResponseBase:
        """Each reader's numbers, on one page; a reader who does not manage the project sees their own."""
        project = self.get_object()
        found: Any = readers.of_project(request.user, project)
        rows = shapes.ReaderSerializer(found, many=True).data
        if wants_csv(request):
            lines, about = map(shapes.reader_row, rows), Download(len(rows), project=project.pk, obj=project)
            return csv_response(request, shapes.READER_COLUMNS, lines, file_name="readers.csv", about=about)
        return Response({"next": None, "previous": None, "results": rows})

    @extend_schema(responses=shapes.GoldScanSerializer(many=True))
    @action(detail=True, filterset_fields=(), ordering_fields=("marked_at",), ordering="-marked_at")
    def gold(self, request: Request, pk: str) -> HttpResponseBase:
        """Scans by whose label readers are measured, for who manages the project."""
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        shape = partial(_gold, many=True)
        header = shapes.GoldScanSerializer.Meta.fields
        return self.rows_below(request, selectors.gold_scans(project), shape, header, of=project, project=project.pk)

    @extend_schema(request=shapes.GoldMarkSerializer, responses=shapes.GoldMarkedSerializer)
    @gold.mapping.post
    def mark_gold(self, request: Request, pk: str) -> Response:
        """Measure readers by this scan, or (`gold` false) no longer."""
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        asked = self._body(project, shapes.GoldMarkSerializer)
        mark_gold(actor=caller(request), **asked)
        return Response(shapes.GoldMarkedSerializer({"image": asked["image"].code, "gold": asked["gold"]}).data)

    def _body(self, project: Any, shape: Any) -> dict[str, Any]:
        """The checked body, about a scan of this project."""
        asked = parsed(shape(data=self.request.data, context=self.get_serializer_context()))
        if asked["image"].project_id != project.pk:
            raise Invalid("This scan belongs to another project.", attr="image", code="does_not_exist")
        return asked


def _opinions(images: Any) -> Any:
    return shapes.ReadDisagreementSerializer(selectors.opinions(images), many=True).data


def _gold(rows: Any, *, many: bool) -> Any:
    return shapes.GoldScanSerializer(rows, many=many).data
