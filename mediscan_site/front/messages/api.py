"""Messages in the API: the caller's own."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.viewsets import ApiViewSet
from mediscan_site.core.messages import services
from mediscan_site.core.messages.kinds import KINDS, sentence_of
from mediscan_site.core.models import Message
from mediscan_site.front.messages.selectors import visible_messages

MOST = 200


class MessageSerializer(serializers.ModelSerializer[Message]):
    """`sentence` is English here; `url` is a page of this site. Of a kind that a later version knows, clients show the sentence."""

    kind = serializers.ChoiceField(choices=sorted(KINDS), read_only=True)
    sentence = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = ["id", "kind", "sentence", "url", "project", "created_at", "read_at"]
        read_only_fields = fields

    @extend_schema_field({"type": "string"})
    def get_sentence(self, message: Message) -> str:
        return sentence_of(message.kind, message.facts)


class ReadSerializer(serializers.Serializer[Any]):
    """`messages`: their ids; left out: all of them."""

    messages = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), max_length=MOST, required=False
    )


class ReadAnswerSerializer(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were not read before.")


class MessageFilter(django_filters.FilterSet):  # type: ignore[misc]
    unread = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull")

    class Meta:
        model = Message
        fields = ("kind", "project")


class MessageViewSet(mixins.ListModelMixin, ApiViewSet):
    """What the caller was told: that work waits, that a job has ended, that something went wrong."""

    queryset = Message.objects.none()
    visible_to = staticmethod(visible_messages)
    serializer_class = MessageSerializer
    filterset_class = MessageFilter
    ordering_fields = ("id",)
    ordering = "-id"

    @extend_schema(request=ReadSerializer, responses=ReadAnswerSerializer)
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def read(self, request: Request) -> Response:
        form = ReadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        chosen = form.validated_data.get("messages")
        if chosen is None:
            number = services.read_all(actor=caller(request))
        else:
            number = services.read(actor=caller(request), messages=chosen)
        return Response({"read": number})
