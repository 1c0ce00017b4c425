"""The API of accounts: tokens for people, accounts for admins, tokens for machines."""

from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mediscan_site.core import auth, selectors, services
from mediscan_site.core import serializers as shapes
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digits import DIGITS
from mediscan_site.core.http.site import site_url
from mediscan_site.core.http.viewsets import ApiViewSet
from mediscan_site.core.models import User
from mediscan_site.core.policies import require_admin, visible_users
from mediscan_site.core.preferences import all_of

TOKEN_ID = OpenApiParameter("token_id", int, OpenApiParameter.PATH)


class _OpenView(APIView):
    """Open to anyone, and still a 401 (not a 403) for a failed attempt."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class TokenObtainView(_OpenView):
    @extend_schema(request=shapes.CredentialsSerializer, responses=shapes.TokenPairSerializer, tags=["auth"])
    def post(self, request: Request) -> Response:
        form = shapes.CredentialsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(auth.log_in(request._request, **form.validated_data))


class TokenRefreshView(_OpenView):
    @extend_schema(request=shapes.RefreshSerializer, responses=shapes.TokenPairSerializer, tags=["auth"])
    def post(self, request: Request) -> Response:
        form = shapes.RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(auth.rotate(form.validated_data["refresh"]))


class LogoutView(_OpenView):
    @extend_schema(request=shapes.RefreshSerializer, responses={204: None}, tags=["auth"])
    def post(self, request: Request) -> Response:
        form = shapes.RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        auth.log_out(form.validated_data["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = User.objects.none()
    visible_to = staticmethod(visible_users)
    serializer_class = shapes.UserSerializer
    ordering_fields = ("id", "username", "date_joined")
    ordering = "id"
    filterset_fields = ("role", "is_active")
    secret_actions: ClassVar[tuple[str, ...]] = ("create_token", "reset_link")
    settable = {"create": ("role", "password"), "partial_update": ("role",)}

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        require_admin(request.user)
        return super().list(request, *args, **kwargs)

    @extend_schema(request=shapes.UserCreateSerializer, responses={201: shapes.UserSerializer})
    def create(self, request: Request) -> Response:
        require_admin(request.user)
        form = shapes.UserCreateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = services.create_user(actor=caller(request), **form.validated_data)
        return Response(shapes.UserSerializer(user).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=shapes.UserWriteSerializer, responses=shapes.UserSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        user = self.get_object()
        require_admin(request.user)
        form = shapes.UserWriteSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        user = services.update_user(actor=caller(request), user=user, changes=form.validated_data)
        return Response(shapes.UserSerializer(user).data)

    @action(detail=False, methods=["get"], pagination_class=None, filterset_fields=None)
    def me(self, request: Request) -> Response:
        return Response(shapes.UserSerializer(caller(request)).data)

    @extend_schema(responses=shapes.PreferencesSerializer)
    @action(detail=False, methods=["get"], url_path="me/preferences", pagination_class=None, filterset_fields=None)
    def preferences(self, request: Request) -> Response:
        return Response(all_of(caller(request)))

    @extend_schema(request=shapes.PreferencesSerializer, responses=shapes.PreferencesSerializer)
    @preferences.mapping.patch
    def set_preferences(self, request: Request) -> Response:
        form = shapes.PreferencesSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        return Response(all_of(services.set_preferences(actor=caller(request), values=form.validated_data)))

    @extend_schema(responses=shapes.ServiceTokenSerializer(many=True))
    @action(detail=True, methods=["get"], filterset_fields=None, ordering_fields=("id",), ordering="-id")
    def tokens(self, request: Request, pk: str) -> HttpResponseBase:
        shape = shapes.ServiceTokenSerializer
        user = self.get_object()
        tokens = selectors.service_tokens(user)
        return self.rows_below(request, tokens, lambda rows: shape(rows, many=True).data, shape.Meta.fields, of=user)

    @extend_schema(request=shapes.ServiceTokenSerializer, responses={201: shapes.IssuedTokenSerializer})
    @tokens.mapping.post
    def create_token(self, request: Request, pk: str) -> Response:
        form = shapes.ServiceTokenSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        token, raw = services.issue_service_token(actor=caller(request), user=self.get_object(), **form.validated_data)
        data = {**shapes.ServiceTokenSerializer(token).data, "token": raw}
        return Response(data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[TOKEN_ID], responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"tokens/(?P<token_id>{DIGITS})", url_name="token")
    def revoke_token(self, request: Request, pk: str, token_id: str) -> Response:
        token = get_object_or_404(selectors.service_tokens(self.get_object()), pk=token_id)
        services.revoke_service_token(actor=caller(request), token=token)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={201: shapes.ResetLinkSerializer})
    @action(detail=True, methods=["post"], url_path="reset-link", url_name="reset-link")
    def reset_link(self, request: Request, pk: str) -> Response:
        link = services.make_reset_link(actor=caller(request), user=self.get_object(), base_url=site_url(request))
        return Response({"link": link}, status=status.HTTP_201_CREATED)
