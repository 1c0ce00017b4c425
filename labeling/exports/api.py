"""The API of exports: a snapshot, or a filtered list of scans, as a ZIP that a worker makes."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from images.policies import visible_projects
from labeling import filters, policies
from labeling.exports import selectors, services
from labeling.models import Export
from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.ranges import ranged_response
from mediscan_site.core.http.viewsets import ApiViewSet, JobSerializer, accepted
from mediscan_site.core.models import WorkStatus

RANGE = OpenApiParameter(
    "Range", str, OpenApiParameter.HEADER, description="As in `bytes=1048576-`: continue from there."
)


class ExportFilesSerializer(serializers.Serializer[Any]):
    """`originals`: the files without their metadata, DICOM de-identified; an import recognises them as the same scans.
    `renditions`: 8-bit PNG, longest side at most 2,048 pixels."""

    files = serializers.ChoiceField(choices=Export.Files.choices, required=False, default=Export.Files.ORIGINALS)


class ExportStartSerializer(ExportFilesSerializer):
    """A `dataset`; or a `project` with the filters of the list of scans, side by side or in `filters`."""

    project = CodeField(visible_to=visible_projects, required=False)
    dataset = CodeField(prefix="dataset", visible_to=policies.visible_snapshots, required=False)
    filters = serializers.DictField(child=serializers.CharField(allow_blank=True, allow_null=True), required=False)

    def get_fields(self) -> dict[str, Any]:
        flat = {
            name: serializers.CharField(required=False, allow_blank=True, allow_null=True) for name in selectors.FILTERS
        }
        return {**super().get_fields(), **flat}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        snapshot = attrs.get("dataset")
        project = attrs.get("project") or (snapshot.project if snapshot else None)
        if project is None:
            raise serializers.ValidationError({"project": "Name a project or a dataset."}, code="required")
        flat = {name: attrs[name] for name in selectors.FILTERS if attrs.get(name)}
        given = {**attrs.get("filters", {}), **flat}
        return {"project": project, "snapshot": snapshot, "files": attrs["files"], "filters": given}


class ExportSerializer(JobSerializer):
    """`file_url`: null until it has succeeded, and again once the file is destroyed (`error` says why)."""

    id = serializers.IntegerField(read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    dataset = serializers.CharField(source="snapshot.code", read_only=True, allow_null=True, default=None)
    filters = serializers.DictField(child=serializers.CharField(), read_only=True)
    files = serializers.CharField(read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    total = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    file_url = serializers.SerializerMethodField()

    class Meta:
        model = Export

    @extend_schema_field({"type": "string", "format": "uri", "nullable": True})
    def get_file_url(self, obj: Export) -> str | None:
        if not services.has_file(obj):
            return None
        url: str = reverse("export-file", kwargs={"pk": obj.pk}, request=self.context.get("request"))
        return url

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {"type": "integer"}})
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        if obj.status != WorkStatus.SUCCEEDED:
            return None
        return {"scans": obj.done, "bytes": obj.blob.size if services.has_file(obj) else 0}


class ExportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Exports: ZIP files of scans with their labels."""

    queryset = Export.objects.none()
    visible_to = staticmethod(selectors.exports)
    serializer_class = ExportSerializer
    filterset_class = filters.ExportFilter
    ordering_fields = ("id", "created_at")
    ordering = "-created_at"

    bytes_actions = ("file",)

    @extend_schema(request=ExportStartSerializer, responses={202: ExportSerializer})
    def create(self, request: Request) -> Response:
        """Have a ZIP made. The work is done in the background; `Location` is where to look."""
        values = parsed(ExportStartSerializer(data=request.data, context=self.get_serializer_context()))
        return started(request, values)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Cancel an export that is being made, or destroy its ZIP: for whoever started it, and administrators."""
        services.discard_export(actor=caller(request), export=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[RANGE],
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            (206, "application/zip"): OpenApiTypes.BINARY,
            416: None,
        },
    )
    @action(detail=True)
    def file(self, request: Request, pk: str) -> HttpResponseBase:
        """The ZIP, whole or from a given byte on."""
        export = self.get_object()
        stream, blob = services.open_export(actor=caller(request), export=export)
        return ranged_response(request, stream, blob, file_name=services.file_name(export))


def started(request: Request, values: dict[str, Any]) -> Response:
    """202 with the new export. `values` as ExportStartSerializer gives them."""
    made = services.start_export(actor=caller(request), **values)
    fresh = selectors.exports(caller(request)).get(pk=made.pk)
    return accepted(request, fresh, "export-detail", ExportSerializer(fresh, context={"request": request}))
