"""The API of the frames of a scan: which there are, and which count."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images import policies, services
from images.frame_serializers import FrameChoiceSerializer, StripQuerySerializer, StripSerializer
from images.frames import strip_of
from images.models import Image
from mediscan_site.core.http.api import IF_MATCH, parsed, versioned
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet


class FramesMixin(ApiViewSet):
    """Of scans."""

    @extend_schema(
        operation_id="api_v1_images_frame_choice_retrieve", parameters=[StripQuerySerializer], responses=StripSerializer
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def frames(self, request: Request, pk: str) -> Response:
        """Of a scan of several frames those that are looked at, who chose them, and where their pictures are."""
        first = parsed(StripQuerySerializer(data=request.query_params)).get("first")
        return self._strip(self.get_object(), first)

    @extend_schema(request=FrameChoiceSerializer, responses=StripSerializer, parameters=[IF_MATCH])
    @frames.mapping.put
    def choose_frames(self, request: Request, pk: str) -> Response:
        """Choose which frames are looked at, when the scan is graded and in data sets frozen from now on."""
        image = self.get_object()
        policies.require(request.user, "label_image", image.project)
        frames = parsed(FrameChoiceSerializer(data=request.data))["frames"]
        seen = expected_version(request)
        services.choose_frames(actor=caller(request), image=image, frames=frames, expected_version=seen)
        return self._strip(self.get_object())

    def _strip(self, image: Image, first: int | None = None) -> Response:
        context: Any = self.get_serializer_context()
        return versioned(Response(StripSerializer(strip_of(image, first), context=context).data))
