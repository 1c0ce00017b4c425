"""A project in the API with its labelling guide."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images import guide_serializers as shapes
from images import policies, selectors, services
from images.models import Project, ProjectClass
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.api import IF_MATCH, parsed, versioned
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digits import DIGITS
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet

EXAMPLE_ID = OpenApiParameter("example_id", int, OpenApiParameter.PATH)


class GuideMixin(ApiViewSet):
    @extend_schema(responses=shapes.GuideSerializer)
    @action(detail=True)
    def guide(self, request: Request, pk: str) -> Response:
        """What readers go by: a text, and scans that show what each class looks like."""
        return self._guide(self.get_object())

    @extend_schema(request=shapes.GuideWriteSerializer, responses=shapes.GuideSerializer, parameters=[IF_MATCH])
    @guide.mapping.put
    def write_guide(self, request: Request, pk: str) -> Response:
        """Replace the text of the guide."""
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        words = parsed(shapes.GuideWriteSerializer(data=request.data))["text"]
        seen = expected_version(request)
        services.write_guide(actor=caller(request), project=project, words=words, expected_version=seen)
        return self._guide(self.get_object())

    @extend_schema(request=shapes.GuideExampleAddSerializer, responses={201: shapes.GuideExampleSerializer})
    @action(detail=True, methods=["post"], url_path="guide/examples")
    def guide_examples(self, request: Request, pk: str) -> Response:
        """Show one of the project's scans as an example of a class."""
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        asked = parsed(shapes.GuideExampleAddSerializer(data=request.data, context=self.get_serializer_context()))
        label_class = _class(project, asked.pop("label"))
        example = services.add_example(actor=caller(request), project=project, label_class=label_class, **asked)
        return Response(shapes.GuideExampleSerializer(example).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[EXAMPLE_ID], responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"guide/examples/(?P<example_id>{DIGITS})")
    def guide_example(self, request: Request, pk: str, example_id: str) -> Response:
        """The scan is no example any longer."""
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        example = get_object_or_404(selectors.guide_examples(request.user, project), pk=int(example_id))
        services.remove_example(actor=caller(request), example=example)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _guide(self, project: Project) -> Response:
        vars(project)["examples"] = list(selectors.guide_examples(self.request.user, project))
        return versioned(Response(shapes.GuideSerializer(project).data))


def _class(project: Project, name: str) -> ProjectClass:
    found = ProjectClass.objects.filter(project=project, name=name, retired_at__isnull=True).first()
    if found is None:
        raise Invalid("The project has no such class in use.", attr="label", code="unknown_class")
    return found
