"""The base of every API view set, and the answers of long jobs."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import GenericViewSet

from mediscan_site.core.http.codes import CodeLookupMixin
from mediscan_site.core.http.csv import CsvMixin
from mediscan_site.core.http.foreign import refuse_foreign_fields
from mediscan_site.core.http.idempotency import IdempotentMixin
from mediscan_site.core.http.parsers import refuse_packed, refuse_unmeasured
from mediscan_site.core.http.repeating import RepeatMixin
from mediscan_site.core.models import WorkItem


class ApiViewSet(IdempotentMixin, RepeatMixin, CodeLookupMixin, CsvMixin, GenericViewSet[Any]):
    """Idempotent POST, objects by key or code, CSV lists, keyset pages. An app adds the list and retrieve mixins.

    The app sets `visible_to = staticmethod(visible_things)` (or get_queryset), `ordering_fields` and `ordering`."""

    visible_to: ClassVar[Any] = None
    # By action: which of `foreign.NOBODYS` it takes all the same.
    settable: ClassVar[dict[str, tuple[str, ...]]] = {}
    # Actions that answer with bytes: for them `Accept: image/png` is right, whatever the renderers say.
    bytes_actions: ClassVar[tuple[str, ...]] = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002 -- DRF's
        return super().perform_content_negotiation(request, force or self.action in self.bytes_actions)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_packed({"request": request})
        refuse_unmeasured(request)
        super().initial(request, *args, **kwargs)
        refuse_foreign_fields(request, self.settable.get(getattr(self, "action", "") or "", ()))

    def get_queryset(self) -> QuerySet[Any]:
        if self.visible_to is None:
            return super().get_queryset()
        queryset: QuerySet[Any] = self.visible_to(self.request.user)
        return queryset


class JobSerializer(serializers.Serializer[Any]):
    """The four fields every long job shows. A subclass defines get_result."""

    status = serializers.CharField(read_only=True)
    progress = serializers.FloatField(read_only=True, min_value=0, max_value=1)
    error = serializers.CharField(read_only=True)
    result = serializers.SerializerMethodField()

    def get_result(self, obj: WorkItem) -> dict[str, Any] | None:
        return None


def accepted(request: Request, obj: Any, url_name: str, serializer: serializers.BaseSerializer[Any]) -> Response:
    """202 with the job as it stands and its address in Location. `url_name` takes the primary key as `pk`."""
    location = reverse(url_name, kwargs={"pk": obj.pk}, request=request)
    return Response(serializer.data, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
