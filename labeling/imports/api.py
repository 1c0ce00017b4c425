"""The API of uploads and imports."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from images.api import ImageViewSet
from images.models import Image
from images.selectors import scans
from images.services import parse_facts
from labeling import filters, policies
from labeling.imports import previews, selectors, services
from labeling.imports import serializers as shapes
from labeling.imports.preview_serializers import HeldSerializer
from labeling.models import Import, ImportFile
from labeling.reading import labels
from mediscan_site.core.http.api import parsed, versioned
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet, accepted


class LabelledScanViewSet(ImageViewSet):
    """Scans; uploading one may label it in the same call."""

    @extend_schema(
        request={"multipart/form-data": shapes.UploadSerializer},
        responses={201: shapes.UploadedScanSerializer, 200: shapes.UploadedScanSerializer},
    )
    def create(self, request: Request) -> Response:
        """Upload a scan: 201. Bytes that the project already has: 200, that scan, with `duplicate` true."""
        values = parsed(shapes.UploadSerializer(data=request.data, context=self.get_serializer_context()))
        project, file, name = values["project"], values["file"], values.get("label")
        policies.require(request.user, "upload_image", project)
        image, created = services.upload_scan(
            actor=caller(request),
            project=project,
            source=file,
            file_name=file.name,
            facts=parse_facts(values),
            label_class=labels.parse_class(project, name) if name else None,
            split=values.get("split"),
            external_id=values.get("external_id"),
        )
        return self.uploaded(request, image, created=created)

    def uploaded(self, request: Request, image: Image, *, created: bool) -> Response:
        # A new scan has everything it shows loaded; one that was here before is read as a list reads it.
        fresh = image if created else scans(caller(request)).get(pk=image.pk)
        fresh.duplicate = not created  # type: ignore[attr-defined]
        fresh.remarks = image.remarks
        shape = shapes.UploadedScanSerializer(fresh, context=self.get_serializer_context())
        return versioned(Response(shape.data, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK))


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """ZIP files of many scans."""

    queryset = Import.objects.none()
    visible_to = staticmethod(selectors.imports)
    filterset_class = filters.ImportFilter
    ordering_fields = ("id", "created_at")
    ordering = "-created_at"

    def get_serializer_class(self) -> Any:
        return shapes.ImportListSerializer if self.action == "list" else shapes.ImportSerializer

    @extend_schema(
        request={"multipart/form-data": shapes.ImportStartSerializer}, responses={202: shapes.ImportSerializer}
    )
    def create(self, request: Request) -> Response:
        """Take in a ZIP. The work is done in the background; `Location` is where to look."""
        values = parsed(shapes.ImportStartSerializer(data=request.data, context=self.get_serializer_context()))
        file = values.pop("file")
        batch = services.start_import(actor=caller(request), source=file, file_name=file.name, **values)
        fresh = selectors.imports(caller(request)).get(pk=batch.pk)
        shape = shapes.ImportSerializer(fresh, context=self.get_serializer_context())
        return accepted(request, fresh, "import-detail", shape)

    @extend_schema(request={"multipart/form-data": shapes.ImportStartSerializer}, responses={201: HeldSerializer})
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What is understood of a ZIP, before anything is stored. It is held at `Location` for a day: POST to its `start/`
        begins the import, DELETE gives it up."""
        values = parsed(shapes.ImportStartSerializer(data=request.data, context=self.get_serializer_context()))
        file = values.pop("file")
        upload = previews.hold_zip(actor=caller(request), source=file, file_name=file.name, **values)
        shape = HeldSerializer(upload, context=self.get_serializer_context())
        location = reverse("upload-detail", kwargs={"pk": upload.pk}, request=request)
        return Response(shape.data, status=status.HTTP_201_CREATED, headers={"Location": location})

    @extend_schema(responses=shapes.ImportFileSerializer(many=True))
    @action(detail=True, filterset_class=None, ordering_fields=("id",), ordering="id")
    def files(self, request: Request, pk: str) -> HttpResponseBase:
        """What became of each file, and of rows of the labels file that match none."""
        batch = self.get_object()
        lines, header = selectors.import_files(batch), shapes.ImportFileSerializer.Meta.fields
        return self.rows_below(request, lines, _report_lines, header, of=batch, project=batch.project_id)


def _report_lines(lines: list[ImportFile]) -> Any:
    return shapes.ImportFileSerializer(lines, many=True).data
