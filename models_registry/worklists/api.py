"""The API of referred scans: a list, and one scan for one reader at a time."""

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images.policies import require
from labeling.reading.serializers import ReleasedSerializer
from mediscan_site.core.http.api import IF_MATCH, parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet
from models_registry.models import Referral
from models_registry.worklists import selectors, services
from models_registry.worklists import serializers as shapes
from models_registry.worklists.filters import ReferralFilter
from models_registry.worklists.policies import RIGHT


class ReferralViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Scans that a model gave back. What it thought of one is told after somebody has read it."""

    queryset = Referral.objects.none()
    visible_to = staticmethod(selectors.referrals)
    serializer_class = shapes.ReferralSerializer
    filterset_class = ReferralFilter
    ordering_fields = ("id", "opened_at")
    ordering = "opened_at"

    @extend_schema(
        request=shapes.ReferralClaimSerializer, responses={200: shapes.ReferralsClaimedSerializer, 204: None}
    )
    @action(detail=False, methods=["post"], filterset_class=None)
    def claim(self, request: Request) -> Response:
        """The oldest referred scans, reserved for the caller for ten minutes. 204 when nothing waits."""
        values = parsed(shapes.ReferralClaimSerializer(data=request.data, context=self.get_serializer_context()))
        taken = services.claim_referrals(actor=caller(request), **values)
        if not taken:
            return Response(status=status.HTTP_204_NO_CONTENT)
        keys = [referral.pk for referral in taken]
        rows = selectors.referrals(request.user).in_bulk(keys)
        return Response({"results": self.get_serializer([rows[key] for key in keys], many=True).data})

    @extend_schema(request=shapes.ReferralReleaseSerializer, responses=ReleasedSerializer)
    @action(detail=False, methods=["post"], filterset_class=None)
    def release(self, request: Request) -> Response:
        """Give the caller's referred scans back: each keeps its place in the worklist."""
        values = parsed(shapes.ReferralReleaseSerializer(data=request.data, context=self.get_serializer_context()))
        return Response({"released": services.release_referrals(actor=caller(request), **values)})

    @extend_schema(request=shapes.OwnReadSerializer, responses={201: shapes.ReferralSerializer}, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"], filterset_class=None)
    def read(self, request: Request, pk: str) -> Response:
        """The caller's own read. The answer shows why the model gave the scan back and what it thought."""
        referral = self.get_object()
        require(request.user, RIGHT, referral.project)
        context = {**self.get_serializer_context(), "project": referral.project}
        values = parsed(shapes.OwnReadSerializer(data=request.data, context=context))
        seen = expected_version(request)
        services.read_referral(actor=caller(request), referral=referral, expected_version=seen, **values)
        fresh = selectors.referrals(request.user).get(pk=referral.pk)
        return Response(self.get_serializer(fresh).data, status=status.HTTP_201_CREATED)
