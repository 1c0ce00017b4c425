"""What a list page costs at least: DRF's own serializer of the same columns over one query, without sign-in, rights or middleware;
and the same rows as plain dictionaries, which is less than any API that shapes its rows can do."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework import generics, serializers
from rest_framework.permissions import AllowAny

from images.models import Image, Metadata
from images.serializers import MetadataSerializer, ScanSerializer

ROWS = 50
# Columns of the table that the site's list shows as they are.
COLUMNS = sorted(
    {field.name for field in Image._meta.concrete_fields} & set(ScanSerializer.Meta.fields) - {"project", "released_by"}
)


class BareMetadata(serializers.ModelSerializer[Metadata]):
    class Meta:
        model = Metadata
        fields = sorted({field.name for field in Metadata._meta.concrete_fields} & set(MetadataSerializer.Meta.fields))


class BareScan(serializers.ModelSerializer[Image]):
    metadata = BareMetadata()
    uploader = serializers.CharField(source="uploaded_by.username")
    label = serializers.CharField(source="label_class.name", default=None)  # type: ignore[assignment]

    class Meta:
        model = Image
        fields = [*COLUMNS, "metadata", "uploader", "label"]


class Bare(generics.ListAPIView[Image]):
    serializer_class = BareScan
    authentication_classes = ()
    permission_classes = (AllowAny,)
    pagination_class = None
    filter_backends = ()

    def get_queryset(self) -> Any:
        rows = Image.objects.select_related("metadata", "uploaded_by", "label_class")
        return rows.filter(project=self.request.GET["project"]).order_by("-upload_date", "-pk")[:ROWS]


def plain(request: HttpRequest) -> JsonResponse:
    rows = Image.objects.filter(project=request.GET["project"]).order_by("-upload_date", "-pk")
    return JsonResponse({"results": list(rows.values(*COLUMNS)[:ROWS])})


urlpatterns = [path("bare/", Bare.as_view()), path("plain/", plain)]
