"""A project in the API with what labelling adds to it: labels that a model contradicts."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images.api import ProjectViewSet
from images.serializers import scan_field
from labeling import policies
from labeling.models import LabelDoubt
from labeling.reading import doubts, selectors
from labeling.reading.serializers import ReviewSerializer
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.api import IF_MATCH, parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.preconditions import expected_version


class LabelDoubtSerializer(serializers.ModelSerializer[LabelDoubt]):
    """`source`: the training whose networks, none of which had seen the scan, contradict its label."""

    image = serializers.CharField(source="image.code", read_only=True)
    given = serializers.CharField(source="given.name", read_only=True)
    suggested = serializers.CharField(source="suggested.name", read_only=True)

    class Meta:
        model = LabelDoubt
        fields = [
            "image",
            "given",
            "suggested",
            "given_probability",
            "suggested_probability",
            "source",
            "created_at",
        ]
        read_only_fields = fields


class KeepLabelSerializer(serializers.Serializer[Any]):
    image = scan_field()
    comment = serializers.CharField(required=False, allow_blank=True)


class ProjectDoubtsViewSet(ProjectViewSet):
    @extend_schema(responses=LabelDoubtSerializer(many=True))
    @action(
        detail=True,
        url_path="label-doubts",
        filterset_fields=(),
        ordering_fields=("suggested_probability", "created_at"),
        ordering="-suggested_probability",
    )
    def label_doubts(self, request: Request, pk: str) -> HttpResponseBase:
        """Labels of training and validation scans that a model contradicts; label or review the scan, or keep its label."""
        project = self.get_object()
        policies.require(request.user, "review_label", project)
        shape = LabelDoubtSerializer
        doubts = selectors.label_doubts(project, request.user)
        return self.rows_below(
            request,
            doubts,
            lambda rows: shape(rows, many=True).data,
            shape.Meta.fields,
            of=project,
            project=project.pk,
        )

    @extend_schema(request=KeepLabelSerializer, responses={201: ReviewSerializer}, parameters=[IF_MATCH])
    @label_doubts.mapping.post
    def keep_label(self, request: Request, pk: str) -> Response:
        """Keep a doubted label: it is approved once more, and the same doubt is not raised again."""
        project = self.get_object()
        policies.require(request.user, "review_label", project)
        asked = parsed(KeepLabelSerializer(data=request.data, context=self.get_serializer_context()))
        if asked["image"].project_id != project.pk:
            raise Invalid("This scan belongs to another project.", attr="image", code="does_not_exist")
        review = doubts.keep_label(actor=caller(request), expected_version=expected_version(request), **asked)
        shape = ReviewSerializer(review, context=self.get_serializer_context())
        return Response(shape.data, status=status.HTTP_201_CREATED)
