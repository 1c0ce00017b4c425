"""A scan in the API with what only the roof knows about it: its timeline over all apps."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.imports.api import LabelledScanViewSet
from mediscan_site.core.http.csv import Download, csv_response, wants_csv
from mediscan_site.front import timeline
from mediscan_site.front.timeline import Moment


class MomentSerializer(serializers.Serializer[Moment]):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    text = serializers.CharField()
    actor = serializers.CharField()
    comment = serializers.CharField()
    object = serializers.CharField()


class TimelineScanViewSet(LabelledScanViewSet):
    @extend_schema(responses=MomentSerializer(many=True))
    @action(detail=True, filterset_class=None, url_path="timeline", url_name="timeline")
    def timeline(self, request: Request, pk: str) -> HttpResponseBase:
        """What happened to this scan, oldest first, on one page."""
        image = self.get_object()
        moments: Any = timeline.of_scan(image, request.user)
        rows = MomentSerializer(moments, many=True).data
        if wants_csv(request):
            lines, about = (row.values() for row in rows), Download(len(rows), project=image.project_id, obj=image)
            return csv_response(request, MomentSerializer().fields, lines, file_name="timeline.csv", about=about)
        return Response({"next": None, "previous": None, "results": rows})
