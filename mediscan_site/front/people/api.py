"""The API of invitations, for administrators: an account with its projects, and the link by which its person begins."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images.policies import TEMPLATES
from images.serializers import project_field
from mediscan_site.core import invitations
from mediscan_site.core.api import UserViewSet
from mediscan_site.core.http.api import parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.site import site_url
from mediscan_site.core.models import Invitation, Role
from mediscan_site.core.policies import require_admin
from mediscan_site.core.serializers import UserSerializer
from mediscan_site.front.people import services


class PlaceSerializer(serializers.Serializer[Any]):
    """A project, and what the person comes to do there: their rights follow from it."""

    project = project_field()
    work = serializers.ChoiceField(choices=list(TEMPLATES))


class InviteSerializer(serializers.Serializer[Any]):
    """`email` is needed where the site sends mail. Projects may be given now or later."""

    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True, default="")
    role = serializers.ChoiceField(choices=Role.choices, required=False, default=Role.DOCTOR)
    projects = PlaceSerializer(many=True, required=False, default=list)

    def validate_projects(self, places: list[dict[str, Any]]) -> dict[Any, str]:
        chosen = {place["project"]: place["work"] for place in places}
        if len(chosen) != len(places):
            raise serializers.ValidationError("Name each project once.")
        return chosen


class InvitationSerializer(serializers.Serializer[Any]):
    """`link`: to be handed over, where no mail goes out; it is shown only this once. Else null: it is mailed."""

    user = UserSerializer()
    expires_at = serializers.DateTimeField()
    link = serializers.URLField(allow_null=True)


class InvitingUserViewSet(UserViewSet):
    """core's, where administrators invite."""

    secret_actions: ClassVar[tuple[str, ...]] = (*UserViewSet.secret_actions, "invite", "invitation")
    settable: ClassVar[dict[str, tuple[str, ...]]] = {**UserViewSet.settable, "invite": ("role",)}

    @extend_schema(request=InviteSerializer, responses={201: InvitationSerializer})
    @action(detail=False, methods=["post"], filterset_fields=None)
    def invite(self, request: Request) -> Response:
        """A new account without a password, its projects, and a link good for a week by which its person chooses one."""
        require_admin(request.user)
        values = parsed(InviteSerializer(data=request.data, context=self.get_serializer_context()))
        return self._out(request, services.invite, **values)

    @extend_schema(request=None, responses={201: InvitationSerializer})
    @action(detail=True, methods=["post"], filterset_fields=None)
    def invitation(self, request: Request, pk: str) -> Response:
        """Invite once more: a new link for another week, and older ones end."""
        return self._out(request, invitations.invite_again, user=self.get_object())

    @extend_schema(responses={204: None})
    @invitation.mapping.delete
    def uninvite(self, request: Request, pk: str) -> Response:
        """Take the invitation back: its links are void, and its account cannot be used."""
        invitations.take_back(actor=caller(request), user=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _out(self, request: Request, invite: Callable[..., tuple[Invitation, str | None]], **about: Any) -> Response:
        row, link = invite(actor=caller(request), base_url=site_url(request), **about)
        told = {"user": row.user, "expires_at": row.expires_at, "link": link}
        return Response(InvitationSerializer(told).data, status=status.HTTP_201_CREATED)
