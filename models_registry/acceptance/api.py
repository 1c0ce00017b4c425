"""The API of acceptance tests."""

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet
from models_registry import filters
from models_registry.acceptance import selectors, services
from models_registry.acceptance import serializers as shapes
from models_registry.models import AcceptanceTest


class AcceptanceTestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """How well a version reads the scans of one place, and what was decided."""

    queryset = AcceptanceTest.objects.none()
    visible_to = staticmethod(selectors.tests)
    serializer_class = shapes.AcceptanceSerializer
    filterset_class = filters.AcceptanceFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    def get_serializer_class(self) -> type[shapes.AcceptanceRowSerializer]:
        return shapes.AcceptanceRowSerializer if self.action == "list" else shapes.AcceptanceSerializer

    @extend_schema(request=shapes.AcceptanceRequestSerializer, responses={201: shapes.AcceptanceSerializer})
    def create(self, request: Request) -> Response:
        values = parsed(shapes.AcceptanceRequestSerializer(data=request.data, context={"request": request}))
        test = services.begin_test(actor=caller(request), **values)
        return self._answer(test, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=shapes.AcceptanceSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def draw(self, request: Request, pk: str) -> Response:
        """Draw now what doctors have read since; it also happens by itself."""
        test = services.go_on(actor=caller(request), test=self.get_object())
        return self._answer(test)

    @extend_schema(request=shapes.AcceptanceDecideSerializer, responses=shapes.AcceptanceSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def decide(self, request: Request, pk: str) -> Response:
        """Accept the version at this place, or have its scans referred."""
        test = self.get_object()
        values = parsed(shapes.AcceptanceDecideSerializer(data=request.data))
        services.decide(actor=caller(request), test=test, **values)
        return self._answer(test)

    def _answer(self, test: AcceptanceTest, code: int = status.HTTP_200_OK) -> Response:
        found = selectors.tests(self.request.user).get(pk=test.pk)
        return Response(shapes.AcceptanceSerializer(found).data, status=code)
