"""A small API over accounts, to test what every view set inherits."""

from django.urls import include, path, re_path
from rest_framework import mixins, serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet
from mediscan_site.core.models import IdempotencyRecord, User
from mediscan_site.front import errors

CALLS = []


class RowSerializer(serializers.ModelSerializer):
    size = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "username", "first_name", "size"]

    def get_size(self, obj):
        return {"width": 3, "height": -2}


class RowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = User.objects.all()
    serializer_class = RowSerializer
    code_prefix = "usr"
    ordering_fields = ("date_joined", "first_name", "id")
    ordering = "-date_joined"
    filterset_fields = ("role",)

    def create(self, request):
        CALLS.append(request.data)
        if request.data.get("fail"):
            raise serializers.ValidationError({"fail": "as asked"})
        return Response({"calls": len(CALLS)}, status=201, headers={"Location": f"/rows/{len(CALLS)}/"})


class CsvRowViewSet(RowViewSet):
    csv_fields = ("username", "first_name", "size.height")


class RefSerializer(serializers.Serializer):
    user = CodeField(prefix="usr", visible_to=lambda user: User.objects.exclude(username="hidden"))


@api_view(["POST"])
def reference(request):
    form = RefSerializer(data=request.data, context={"request": request})
    form.is_valid(raise_exception=True)
    return Response({"user": form.validated_data["user"].username, "version": expected_version(request)})


@api_view(["GET"])
def broken(request):
    raise ZeroDivisionError(str(IdempotencyRecord))


router = SimpleRouter()
router.register("rows", RowViewSet, basename="row")
router.register("csv-rows", CsvRowViewSet, basename="csv-row")

urlpatterns = [
    path("api/", include(router.urls)),
    path("api/reference/", reference),
    path("api/broken/", broken),
    re_path(r"^api(?:/.*)?$", errors.api_not_found),
]

handler400 = errors.bad_request
handler404 = errors.not_found
handler500 = errors.server_error
