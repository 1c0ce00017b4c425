"""The shapes of accounts and tokens. Which change is allowed is decided in `core.services`."""

from typing import Any

from rest_framework import serializers

from mediscan_site.core.models import Role, ServiceToken, User
from mediscan_site.core.preferences import MOST_PRESETS, PREFERENCES, Preference
from mediscan_site.core.scopes import Scope


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "email", "role", "is_active", "date_joined", "last_login"]
        read_only_fields = fields


class PreferencesSerializer(serializers.Serializer[Any]):
    """What a person set for themselves (`core.preferences`); each may be sent alone."""

    def get_fields(self) -> dict[str, Any]:
        return {name: _preference(row) for name, row in PREFERENCES.items()}


def _preference(row: Preference) -> serializers.Field[Any, Any, Any, Any]:
    said: dict[str, Any] = {"required": False, "help_text": row.help}
    if isinstance(row.default, bool):
        return serializers.BooleanField(**said)
    if isinstance(row.default, int):
        return serializers.IntegerField(**said)
    if isinstance(row.default, list):
        return serializers.ListField(child=serializers.DictField(), max_length=MOST_PRESETS, **said)
    return serializers.CharField(allow_blank=True, max_length=64, **said)


class UserWriteSerializer(serializers.Serializer[Any]):
    """What an admin may set. Anything else in the body (is_staff, is_superuser, …) is not read."""

    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True)
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = serializers.BooleanField(required=False)


class UserCreateSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True)
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    password = serializers.CharField(required=False, write_only=True, trim_whitespace=False, max_length=1024)


class ServiceTokenSerializer(serializers.ModelSerializer[ServiceToken]):
    """`expires_at`: a year from now where it is left out; two years are the most. `made_by`: the name of who made it."""

    scopes = serializers.MultipleChoiceField(choices=Scope.choices, allow_empty=False)
    expires_at = serializers.DateTimeField(required=False)
    made_by = serializers.CharField(source="made_by.username", read_only=True, default=None, allow_null=True)

    class Meta:
        model = ServiceToken
        fields = ["id", "name", "scopes", "made_by", "created_at", "expires_at", "revoked_at"]
        read_only_fields = ["id", "made_by", "created_at", "revoked_at"]


class IssuedTokenSerializer(ServiceTokenSerializer):
    token = serializers.CharField(read_only=True, help_text="Shown only this once.")

    class Meta(ServiceTokenSerializer.Meta):
        fields = [*ServiceTokenSerializer.Meta.fields, "token"]


class ResetLinkSerializer(serializers.Serializer[Any]):
    link = serializers.URLField(read_only=True)


class CredentialsSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(trim_whitespace=False, max_length=1024, write_only=True)


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)
