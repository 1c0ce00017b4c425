"""The API of watching, alarms and blind reads."""

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet, accepted
from models_registry import filters
from models_registry.models import Alarm, BlindRead, Watch
from models_registry.watch import alarms, reads, selectors, services
from models_registry.watch import serializers as shapes


class WatchViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Looks at the grades of a version against its reference, place by place."""

    queryset = Watch.objects.none()
    visible_to = staticmethod(selectors.watches)
    serializer_class = shapes.WatchSerializer
    filterset_class = filters.WatchFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    def get_serializer_class(self) -> type[shapes.WatchRowSerializer]:
        return shapes.WatchRowSerializer if self.action == "list" else shapes.WatchSerializer

    @extend_schema(request=shapes.WatchRequestSerializer, responses={202: shapes.WatchSerializer})
    def create(self, request: Request) -> Response:
        """Look now; it also happens every night."""
        values = parsed(shapes.WatchRequestSerializer(data=request.data, context={"request": request}))
        row = services.request_watch(actor=caller(request), **values)
        return accepted(request, row, "watch-detail", shapes.WatchSerializer(row))


class AlarmViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Alarm.objects.none()
    visible_to = staticmethod(selectors.alarms)
    serializer_class = shapes.AlarmSerializer
    filterset_class = filters.AlarmFilter
    ordering_fields = ("id", "raised_at")
    ordering = "-id"

    @extend_schema(request=shapes.AlarmDecideSerializer, responses=shapes.AlarmSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def decide(self, request: Request, pk: str) -> Response:
        """Say what follows from the alarm."""
        alarm = self.get_object()
        values = parsed(shapes.AlarmDecideSerializer(data=request.data))
        alarms.decide(actor=caller(request), alarm=alarm, **values)
        return Response(shapes.AlarmSerializer(selectors.alarms(request.user).get(pk=alarm.pk)).data)


class BlindReadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Answers that were drawn to be read by a doctor who has not seen them."""

    queryset = BlindRead.objects.none()
    visible_to = staticmethod(selectors.blind_reads)
    serializer_class = shapes.BlindReadSerializer
    filterset_class = filters.BlindReadFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    @extend_schema(request=shapes.BlindReadClaimSerializer, responses={200: shapes.BlindReadSerializer, 204: None})
    @action(detail=False, methods=["post"], filterset_class=None)
    def claim(self, request: Request) -> Response:
        """The oldest read that waits for you, for ten minutes yours alone; 204 when none waits."""
        values = parsed(shapes.BlindReadClaimSerializer(data=request.data, context={"request": request}))
        row = reads.claim(actor=caller(request), **values)
        if row is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(shapes.BlindReadSerializer(row).data)

    @extend_schema(request=shapes.BlindReadClaimSerializer, responses=shapes.BlindReadsReleasedSerializer)
    @action(detail=False, methods=["post"], filterset_class=None)
    def release(self, request: Request) -> Response:
        """Give back what you hold."""
        values = parsed(shapes.BlindReadClaimSerializer(data=request.data, context={"request": request}))
        return Response({"released": reads.release(actor=caller(request), **values)})

    @extend_schema(request=shapes.BlindReadRequestSerializer, responses=shapes.BlindReadSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def read(self, request: Request, pk: str) -> Response:
        """Keep what you see on the scan that you hold."""
        row = self.get_object()
        form = shapes.BlindReadRequestSerializer(data=request.data, context={"project": row.project})
        done = reads.read(actor=caller(request), blind_read=row, **parsed(form))
        return Response(shapes.BlindReadSerializer(done).data)
