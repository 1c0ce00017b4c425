"""The API of frozen data sets."""

from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import filters
from labeling.datasets import comparison, freezing, selectors
from labeling.datasets import serializers as datasets
from labeling.exports.api import ExportFilesSerializer, ExportSerializer, started
from labeling.exports.parcel import export_snapshot
from labeling.models import Snapshot
from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.csv import Download, csv_response, record_download, wants_csv
from mediscan_site.core.http.viewsets import ApiViewSet

CSV = OpenApiParameter("format", str, description="`csv`: the members as CSV.")


class DatasetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Frozen data sets."""

    queryset = Snapshot.objects.none()
    visible_to = staticmethod(selectors.snapshots)
    code_prefix = "dataset"
    filterset_class = filters.SnapshotFilter
    ordering_fields = ("id", "created_at")
    ordering = "-created_at"

    bytes_actions = ("export",)

    def get_serializer_class(self) -> Any:
        return datasets.DatasetListSerializer if self.action == "list" else datasets.DatasetSerializer

    @extend_schema(request=datasets.FreezeSerializer, responses={201: datasets.DatasetSerializer})
    def create(self, request: Request) -> Response:
        """Freeze the approved scans of a project. Equal content is the same data set."""
        values = parsed(datasets.FreezeSerializer(data=request.data, context=self.get_serializer_context()))
        snapshot = freezing.freeze_snapshot(actor=caller(request), **values)
        fresh = selectors.snapshots(caller(request)).get(pk=snapshot.pk)
        return Response(self.get_serializer(fresh).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=datasets.DatasetMemberSerializer(many=True))
    @action(detail=True, filterset_class=None, ordering_fields=("id",), ordering="id")
    def members(self, request: Request, pk: str) -> HttpResponseBase:
        """The scans of the data set, in pages."""
        shape = datasets.DatasetMemberSerializer
        snapshot = self.get_object()
        members = selectors.snapshot_members(snapshot)
        return self.rows_below(
            request,
            members,
            lambda rows: shape(rows, many=True).data,
            shape.Meta.fields,
            of=snapshot,
            project=snapshot.project_id,
        )

    @extend_schema(parameters=[CSV], responses=datasets.ManifestSerializer)
    @action(detail=True)
    def manifest(self, request: Request, pk: str) -> HttpResponseBase:
        """Everything that the content hash covers, and what was left out, as a file. `comparison.manifest` says how to check it."""
        snapshot = self.get_object()
        about = Download(snapshot.size, project=snapshot.project_id, obj=snapshot)
        if wants_csv(request):
            rows = comparison.member_rows(snapshot)
            return csv_response(request, comparison.COLUMNS, rows, file_name=f"{snapshot.code}.csv", about=about)
        record_download(request, f"{snapshot.code}.json", about)
        response = StreamingHttpResponse(comparison.manifest(snapshot), content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="{snapshot.code}.json"'
        response["X-Content-Type-Options"] = "nosniff"
        return response

    @extend_schema(parameters=[datasets.AgainstSerializer], responses=datasets.DiffSerializer)
    @action(detail=True)
    def diff(self, request: Request, pk: str) -> Response:
        """What changed from the data set `against` to this one."""
        snapshot = self.get_object()
        asked = {**self.get_serializer_context(), "snapshot": snapshot}
        other = parsed(datasets.AgainstSerializer(data=request.query_params, context=asked))["against"]
        return Response(datasets.DiffSerializer(comparison.diff(snapshot, against=other)).data)

    @extend_schema(parameters=[ExportFilesSerializer], responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True)
    def export(self, request: Request, pk: str) -> StreamingHttpResponse:
        """A ZIP in the layout that imports read, at once: the scans without metadata of their files, and `labels.csv`."""
        snapshot = self.get_object()
        files = parsed(ExportFilesSerializer(data=request.query_params))["files"]
        pieces = export_snapshot(actor=caller(request), snapshot=snapshot, files=files)
        response = StreamingHttpResponse(pieces, content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="{snapshot.code}.zip"'
        response["X-Content-Type-Options"] = "nosniff"
        return response

    @extend_schema(request=ExportFilesSerializer, responses={202: ExportSerializer})
    @export.mapping.post
    def start_export(self, request: Request, pk: str) -> Response:
        """The same ZIP made by a worker: a job in `Location`, and a link when it is ready."""
        snapshot = self.get_object()
        values = parsed(ExportFilesSerializer(data=request.data))
        return started(request, {"project": snapshot.project, "snapshot": snapshot, **values})
