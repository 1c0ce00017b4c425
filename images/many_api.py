"""The API of many scans at once, and of tags."""

from functools import partial
from typing import Any

from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images import many_serializers as shapes
from images import policies, selectors, services
from images.models import Image, Tag
from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digits import DIGITS
from mediscan_site.core.http.viewsets import ApiViewSet

TAG_ID = OpenApiParameter("tag_id", int, OpenApiParameter.PATH)


class ManyScansMixin(ApiViewSet):
    """Of scans."""

    @extend_schema(request=shapes.ChangeManySerializer, responses=shapes.ManyDoneSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def bulk(self, request: Request) -> Response:
        """Set the split of many scans, or whether they train. Each has its result; a refusal stops no other."""
        form = shapes.ChangeManySerializer(data=request.data, context=self.get_serializer_context())
        return Response(shapes.told(services.update_many(actor=caller(request), **parsed(form))))

    @extend_schema(request=shapes.TagManySerializer, responses=shapes.ManyDoneSerializer)
    @action(
        detail=False, methods=["post"], filterset_class=None, pagination_class=None, url_path="bulk/tags",
        url_name="bulk-tags",
    )  # fmt: skip
    def bulk_tags(self, request: Request) -> Response:
        """Put tags on many scans of a project, and take others off."""
        form = shapes.TagManySerializer(data=request.data, context=self.get_serializer_context())
        return Response(shapes.told(services.tag_scans(actor=caller(request), **parsed(form))))

    @extend_schema(responses=shapes.ScanTagsSerializer)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def tags(self, request: Request, pk: str) -> Response:
        """The tags of the scan, the oldest first."""
        return self._tags(self.get_object())

    @extend_schema(request=shapes.TagChangeSerializer, responses=shapes.ScanTagsSerializer)
    @tags.mapping.post
    def change_tags(self, request: Request, pk: str) -> Response:
        """Put tags on the scan, and take others off. A new word becomes a tag of the project."""
        image = self.get_object()
        policies.require(request.user, "label_image", image.project)
        named = parsed(shapes.TagChangeSerializer(data=request.data))
        services.tag_scans(actor=caller(request), images=[image], **named)
        return self._tags(self.get_object())

    def _tags(self, image: Image) -> Response:
        return Response({"image": image.code, "tags": selectors.tag_names(image)})


class ProjectTagsMixin(ApiViewSet):
    """Of projects."""

    @extend_schema(responses=shapes.TagSerializer(many=True))
    @action(detail=True, filterset_fields=(), ordering_fields=("id", "name_key"), ordering="name_key")
    def tags(self, request: Request, pk: str) -> HttpResponseBase:
        """The tags of the project by name, and on how many scans each is."""
        project = self.get_object()
        shape: Any = partial(_shown)
        header = shapes.TagSerializer.Meta.fields
        return self.rows_below(request, selectors.tags(project), shape, header, of=project, project=project.pk)

    @extend_schema(parameters=[TAG_ID], request=shapes.TagPatchSerializer, responses=shapes.TagSerializer)
    @action(detail=True, methods=["patch"], filterset_fields=(), url_path=rf"tags/(?P<tag_id>{DIGITS})")
    def tag(self, request: Request, pk: str, tag_id: str) -> Response:
        """Rename a tag. The name of another one makes the two one: this one's scans go over to it."""
        tag = self._tag(tag_id)
        policies.require(request.user, "manage_project", tag.project)
        name = parsed(shapes.TagPatchSerializer(data=request.data))["name"]
        kept = services.rename_tag(actor=caller(request), tag=tag, name=name)
        return Response(_shown([selectors.tags(tag.project).get(pk=kept.pk)])[0])

    @extend_schema(parameters=[TAG_ID], responses={204: None})
    @tag.mapping.delete
    def delete_tag(self, request: Request, pk: str, tag_id: str) -> Response:
        """Take a tag from all its scans."""
        services.delete_tag(actor=caller(request), tag=self._tag(tag_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _tag(self, tag_id: str) -> Tag:
        return get_object_or_404(Tag.objects.select_related("project"), pk=int(tag_id), project=self.get_object())


def _shown(tags: Any) -> Any:
    return shapes.TagSerializer(tags, many=True).data
