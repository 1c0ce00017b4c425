"""The API of resumable uploads: a large ZIP in pieces, as ranged PUTs."""

import re
from datetime import datetime
from typing import Any, BinaryIO, cast

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from images.serializers import project_field
from labeling import filters
from labeling.imports import dialects, selectors, uploads
from labeling.imports.preview_serializers import PreviewSerializer
from labeling.imports.previews import preview_upload
from labeling.imports.serializers import ImportOptionsSerializer, ImportSerializer, finding_field
from labeling.imports.uploads import give_up_upload, receive_part, start_held, start_upload
from labeling.models import Import, ResumableUpload
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digest import file_digest
from mediscan_site.core.http.digits import DIGITS
from mediscan_site.core.http.viewsets import ApiViewSet, accepted

_RANGE = re.compile(rf"bytes ({DIGITS})-({DIGITS})/({DIGITS})")
RANGE = OpenApiParameter(
    "Content-Range", str, OpenApiParameter.HEADER, required=True, description="As in `bytes 0-8388607/20000000`."
)
DIGEST = OpenApiParameter("X-Content-SHA256", str, OpenApiParameter.HEADER, description="SHA-256 (hex) of this piece.")


class UploadStartSerializer(serializers.Serializer[Any]):
    project = project_field()
    file_name = serializers.CharField(max_length=1000)
    size = serializers.IntegerField(min_value=1, max_value=2**62)
    sha256 = serializers.CharField(required=False, allow_blank=True, help_text="SHA-256 (hex) of the whole ZIP.")
    split_frames = serializers.BooleanField(required=False, default=False)
    dialect = serializers.ChoiceField(choices=dialects.CHOICES, required=False, default=dialects.AUTO)
    finding = finding_field(default="")
    preview = serializers.BooleanField(
        required=False, default=False, help_text="When all is here, wait: look at preview/, then POST to start/."
    )


class UploadListSerializer(serializers.ModelSerializer[ResumableUpload]):
    """`received`: bytes that have arrived without a gap; `part_size`: how much to send at once; `import`: what it became."""

    created_by = serializers.CharField(source="created_by.username", read_only=True)
    part_size = serializers.SerializerMethodField()
    expires_at = serializers.SerializerMethodField()
    batch = serializers.IntegerField(source="batch_id", read_only=True, allow_null=True)

    class Meta:
        model = ResumableUpload
        fields = [
            "id",
            "project",
            "file_name",
            "size",
            "received",
            "part_size",
            "sha256",
            "split_frames",
            "dialect",
            "finding",
            "preview",
            "created_by",
            "created_at",
            "expires_at",
            "batch",
        ]
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        # `import` is a Python keyword.
        return {("import" if name == "batch" else name): field for name, field in super().get_fields().items()}

    def get_part_size(self, obj: ResumableUpload) -> int:
        return uploads.PART_SIZE

    def get_expires_at(self, obj: ResumableUpload) -> datetime:
        return obj.updated_at + uploads.KEPT


class PartSerializer(serializers.Serializer[Any]):
    offset = serializers.IntegerField()
    size = serializers.IntegerField(source="blob.size")
    sha256 = serializers.CharField(source="blob.sha256")


class UploadSerializer(UploadListSerializer):
    """`parts`: the pieces that have arrived, so that a client can tell whether its file is still the same."""

    parts = serializers.SerializerMethodField()

    class Meta(UploadListSerializer.Meta):
        fields = [*UploadListSerializer.Meta.fields, "parts"]
        read_only_fields = fields

    @extend_schema_field(PartSerializer(many=True))
    def get_parts(self, obj: ResumableUpload) -> Any:
        return PartSerializer(selectors.upload_parts(obj), many=True).data


class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """ZIP files arriving piece by piece. Users see their own, administrators all. Destroyed after a day without a new piece."""

    queryset = ResumableUpload.objects.none()
    visible_to = staticmethod(selectors.uploads)
    filterset_class = filters.UploadFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    def get_serializer_class(self) -> Any:
        return UploadListSerializer if self.action == "list" else UploadSerializer

    @extend_schema(request=UploadStartSerializer, responses={201: UploadSerializer})
    def create(self, request: Request) -> Response:
        """Announce a ZIP. Its pieces go to `Location`."""
        values = parsed(UploadStartSerializer(data=request.data, context=self.get_serializer_context()))
        upload = start_upload(actor=caller(request), **values)
        location = reverse("upload-detail", kwargs={"pk": upload.pk}, request=request)
        shape = self.get_serializer(upload)
        return Response(shape.data, status=status.HTTP_201_CREATED, headers={"Location": location})

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[RANGE, DIGEST],
        responses={200: UploadListSerializer, 202: ImportSerializer},
    )
    def update(self, request: Request, pk: str) -> Response:
        """One piece as the raw body. 200 while more is to come; 202 and the import in `Location` once all is here. An upload with
        `preview` stays 200: it is whole when `received` is `size`."""
        upload = self.get_object()
        first, last = _range(request, upload)
        batch = receive_part(
            actor=caller(request),
            upload=upload,
            first=first,
            last=last,
            source=cast(BinaryIO, request.stream),
            sha256=file_digest(request.headers),
        )
        if batch is not None:
            return self._complete(request, batch)
        return Response(UploadListSerializer(self.get_object(), context=self.get_serializer_context()).data)

    def _complete(self, request: Request, batch: Import) -> Response:
        fresh = selectors.imports(caller(request)).get(pk=batch.pk)
        return accepted(request, fresh, "import-detail", ImportSerializer(fresh, context=self.get_serializer_context()))

    @extend_schema(
        responses=PreviewSerializer,
        parameters=[
            OpenApiParameter("dialect", str, enum=[*dialects.NAMES], description="Read the labels files like this."),
            OpenApiParameter("finding", str, description="Ask the labels files for this finding."),
        ],
    )
    @action(detail=True, filterset_class=None)
    def preview(self, request: Request, pk: str) -> Response:
        """What is understood of a ZIP that is here, before anything is stored."""
        asked = parsed(ImportOptionsSerializer(data=request.query_params))
        options = {name: asked.get(name) for name in ("dialect", "finding")}
        found = preview_upload(actor=caller(request), upload=self.get_object(), **options)
        return Response(PreviewSerializer(found).data)

    @extend_schema(request=ImportOptionsSerializer, responses={202: ImportSerializer})
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Begin the import of a ZIP that was looked at."""
        values = parsed(ImportOptionsSerializer(data=request.data))
        options = {name: values.get(name) for name in ("dialect", "finding", "split_frames")}
        return self._complete(request, start_held(actor=caller(request), upload=self.get_object(), **options))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Cancel the upload: what has arrived is destroyed."""
        give_up_upload(actor=caller(request), upload=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _range(request: Request, upload: ResumableUpload) -> tuple[int, int]:
    """First and last byte of the piece in the body. Invalid `invalid_range` when it does not fit the body or the upload."""
    match = _RANGE.fullmatch(request.headers.get("Content-Range", "").strip())
    if match is None:
        raise Invalid("Send Content-Range: bytes first-last/size, counted from 0.", code="invalid_range")
    first, last, total = map(int, match.groups())
    if total != upload.size:
        raise Invalid(f"The upload was announced with {upload.size} bytes, not {total}.", code="invalid_range")
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) != last + 1 - first or request.stream is None:
        raise Invalid(f"The body must have {last + 1 - first} bytes, as Content-Range says.", code="invalid_range")
    return first, last
