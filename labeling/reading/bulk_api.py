"""The API of labels of many scans at once."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images.many_serializers import ManyDoneSerializer, ScanListField, told
from images.models import Image, ProjectClass
from images.services.many import MOST_AT_ONCE
from labeling import policies
from labeling.models import Lease
from labeling.reading.bulk import label_many, undo_many
from labeling.reading.labels import parse_class
from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet

UNDO: Final[dict[str, Any]] = {
    "detail": False, "methods": ["post"], "filterset_class": None, "pagination_class": None, "url_path": "bulk/undo",
    "url_name": "bulk-undo",
}  # fmt: skip


class ScansSeenSerializer(serializers.Serializer[Any]):
    """`versions`: as many as `images`, the version of each that was seen; a scan that has moved on since is refused."""

    images = ScanListField()
    versions = serializers.ListField(
        child=serializers.IntegerField(min_value=0), max_length=MOST_AT_ONCE, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        versions, images = attrs.pop("versions", None), attrs["images"]
        if versions is not None and len(versions) != len(images):
            raise serializers.ValidationError({"versions": "Send one version for each scan, and each scan once."})
        attrs["versions"] = {image.pk: seen for image, seen in zip(images, versions, strict=True)} if versions else None
        return attrs


class LabelManySerializer(ScansSeenSerializer):
    """Either `label` (a class) or `ungradable` (a reason), for all of at most 1,000 scans of one project."""

    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the protocol's name, not a caption
    ungradable = serializers.CharField(required=False)
    comment = serializers.CharField(required=False, allow_blank=True)
    expected_count = serializers.IntegerField(required=False, min_value=0)


class ManyLabelsMixin(ApiViewSet):
    """Of labels."""

    @extend_schema(request=LabelManySerializer, responses=ManyDoneSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def bulk(self, request: Request) -> Response:
        """Label many scans. Each has its result; a refusal stops no other."""
        values = parsed(LabelManySerializer(data=request.data, context=self.get_serializer_context()))
        reason, name = values.pop("ungradable", ""), values.pop("label", None)
        label_class = self._class(request, values["images"], name) if name is not None else None
        return Response(told(label_many(actor=caller(request), label_class=label_class, reason=reason, **values)))

    def _class(self, request: Request, images: list[Image], name: str) -> ProjectClass | None:
        if not images:
            return None
        policies.require(request.user, "label_image", images[0].project)
        return parse_class(images[0].project, name)

    @extend_schema(request=ScansSeenSerializer, responses=ManyDoneSerializer)
    @action(**UNDO)
    def bulk_undo(self, request: Request) -> Response:
        """Take back labels that the caller gave: their scans are as they were before."""
        values = parsed(ScansSeenSerializer(data=request.data, context=self.get_serializer_context()))
        return Response(told(undo_many(actor=caller(request), **values)))


class ManyReviewsMixin(ApiViewSet):
    """Of reviews."""

    @extend_schema(request=ScansSeenSerializer, responses=ManyDoneSerializer)
    @action(**UNDO)
    def bulk_undo(self, request: Request) -> Response:
        """Take back the caller's last review of each scan: the scans are as they were before. An approval that took a grade as
        the label takes it away again."""
        values = parsed(ScansSeenSerializer(data=request.data, context=self.get_serializer_context()))
        return Response(told(undo_many(actor=caller(request), task=Lease.Task.REVIEW, **values)))
