"""Who is calling the API: access tokens (JWT), rotating refresh tokens, service tokens of machines; and their audit.

A refresh token is used once. Whoever comes second gets 401; a few seconds later, when it can no longer be a race of two tabs
or a repeated request, that ends the whole family: every token that descends from the same log-in, the access tokens
too. (simplejwt looks first and inserts later: six parallel
refreshes gave several successes in 52 of 60 rounds. Here the insert comes first and the database refuses the second.)
"""

import hashlib
from datetime import timedelta
from typing import Any, Self

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import IntegrityError, transaction
from django.db.models import Exists
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, BlacklistMixin, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from mediscan_site.core import audit, refusals
from mediscan_site.core.http.context import UsedToken, use_token
from mediscan_site.core.models import ServiceToken, User
from mediscan_site.core.names import name_key

FAMILY = "family"
RACE = timedelta(seconds=10)
SERVICE_TOKEN_PREFIX = "ms_"  # noqa: S105 -- the visible start of every token, not a secret
BAD_TOKEN = "The token is not valid or has expired. Sign in again."  # noqa: S105


def _refused(detail: str = BAD_TOKEN, code: str = "token_not_valid") -> AuthenticationFailed:
    return AuthenticationFailed(detail, code=code)


class FamilyRefreshToken(RefreshToken):
    """A refresh token that knows its family. Its text is never stored, only its id."""

    @classmethod
    def for_user(cls, user: Any) -> Self:
        # Not BlacklistMixin's, which keeps the whole token in the database.
        token: Self = super(BlacklistMixin, cls).for_user(user)
        token[FAMILY] = token["jti"]
        token[api_settings.REVOKE_TOKEN_CLAIM] = log_in_mark(user)
        token.remember(user)
        return token

    def remember(self, user: Any) -> None:
        OutstandingToken.objects.create(
            user=user,
            jti=self["jti"],
            created_at=self.current_time,
            expires_at=datetime_from_epoch(self["exp"]),
        )

    def check_blacklist(self) -> None:
        """Left to `rotate`, which inserts first: looking first would be the race."""


def end_family(token: Token) -> None:
    """From now on no token of this log-in is valid. A row of its own, so that it also beats a rotation under way."""
    expires = timezone.now() + api_settings.REFRESH_TOKEN_LIFETIME
    OutstandingToken.objects.get_or_create(jti=_tombstone(token), defaults={"expires_at": expires})


def _tombstone(token: Token) -> str:
    return f"ended:{token.get(FAMILY, '')}"


def _user_of(token: Token) -> User:
    """The active account the token was made for, if its password is unchanged. Raises AuthenticationFailed."""
    ended = Exists(OutstandingToken.objects.filter(jti=_tombstone(token)))
    # One query, and without `first()`, which sorts what is one row: every request of the API begins with it.
    found = User.objects.filter(pk=token.get(api_settings.USER_ID_CLAIM)).annotate(log_in_ended=ended)
    user = next(iter(found), None)
    if user is None or not user.is_active:
        raise _refused("There is no active account for this token.", "user_inactive")
    if token.get(api_settings.REVOKE_TOKEN_CLAIM) != log_in_mark(user):
        raise _refused("The password has been changed since. Sign in again.", "password_changed")
    if user.log_in_ended:
        raise _refused()
    return user


def log_in_mark(user: User) -> str:
    """What a log-in by token knows of its account: it changes with the password, and when every log-in is ended."""
    ended = f" {user.sessions_ended}" if user.sessions_ended else ""
    return str(get_md5_hash_password(f"{user.password}{ended}"))


def parse_refresh(raw: Any) -> FamilyRefreshToken:
    try:
        return FamilyRefreshToken(raw)
    except TokenError as error:
        raise _refused() from error


def token_pair(user: User) -> dict[str, str]:
    refresh = FamilyRefreshToken.for_user(user)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def rotate(raw: str) -> dict[str, str]:
    """A new pair for an unused refresh token. Raises AuthenticationFailed, and ends the family of one used before."""
    token = parse_refresh(raw)
    user = _user_of(token)
    spent = OutstandingToken.objects.filter(jti=token["jti"]).first()
    if spent is None:
        raise _refused()
    try:
        with transaction.atomic():
            BlacklistedToken.objects.create(token=spent)
            token.set_jti()
            token.set_exp()
            token.set_iat()
            token.remember(user)
    except IntegrityError as error:
        late = not BlacklistedToken.objects.filter(token=spent, blacklisted_at__gt=timezone.now() - RACE).exists()
        if late:
            end_family(token)
        refusals.note("token.reuse", actor=None, obj=user, about=(late,), log_in_ended=late)
        raise _refused() from error
    return {"access": str(token.access_token), "refresh": str(token)}


def log_in(request: HttpRequest, *, username: str, password: str) -> dict[str, str]:
    """A token pair for name and password. Raises AuthenticationFailed, with the same words for every reason.

    Takes Django's own request: there django-axes leaves the mark that its middleware turns into 429."""
    user = authenticate(request=request, username=username, password=password)
    if not isinstance(user, User):
        raise _refused("No active account has this name and password.", "no_active_account")
    with transaction.atomic():
        update_last_login(User, user)
        audit.record("login", actor=user, obj=user, details={"by": "token"})
        return token_pair(user)


def log_out(raw: str) -> None:
    """End the family of this refresh token. Raises AuthenticationFailed when it is not ours."""
    token = parse_refresh(raw)
    user = User.objects.filter(pk=token.get(api_settings.USER_ID_CLAIM)).first()
    with transaction.atomic():
        end_family(token)
        audit.record("logout", actor=user, obj=user, details={"by": "token"})


class AccessTokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer …`. The account, its password and the log-in are looked up on every request."""

    def get_validated_token(self, raw_token: Any) -> Token:
        try:
            return AccessToken(raw_token)
        except TokenError as error:
            raise _refused() from error

    def get_user(self, validated_token: Token) -> Any:
        return _user_of(validated_token)


class ServiceTokenAuthentication(BaseAuthentication):
    """`Authorization: Token ms_…`, the long-lived token of a machine. Only its SHA-256 is known here."""

    def authenticate(self, request: Request) -> tuple[User, ServiceToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"token":
            return None
        if len(parts) != 2:
            raise _refused("The header must read: Authorization: Token ms_…", "bad_authorization_header")
        token = ServiceToken.objects.select_related("user").filter(digest=token_digest(parts[1])).first()
        if token is None or not _is_live(token):
            raise _refused("The service token is not valid, has expired or was revoked.")
        use_token(UsedToken(token.pk, token.name, token.made_by_id))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Token realm="api"'


def _is_live(token: ServiceToken) -> bool:
    in_time = token.expires_at > timezone.now() and token.revoked_at is None
    return in_time and token.user.is_active and token.password_mark == password_mark(token.user)


def password_mark(user: User) -> str:
    """What changes with the account's password, through whichever door. A digest of Argon2's own digest."""
    return token_digest(user.password.encode())


def token_digest(raw: bytes) -> str:
    """SHA-256 in hex. A plain digest is enough for a random token of 256 bits; a password would need Argon2."""
    return hashlib.sha256(raw).hexdigest()


# Every door (pages, admin site, API) ends in Django's own signals, so none can forget the trail.


@receiver(user_logged_in, dispatch_uid="audit.login")
def _audit_login(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    with transaction.atomic():
        audit.record("login", actor=user, obj=user, details={"by": "session"})


@receiver(user_logged_out, dispatch_uid="audit.logout")
def _audit_logout(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        with transaction.atomic():
            audit.record("logout", actor=user, obj=user, details={"by": "session"})


@receiver(user_login_failed, dispatch_uid="audit.login_failed")
def _audit_failed_login(sender: Any, credentials: dict[str, Any], **kwargs: Any) -> None:
    # What was typed may be a password in the wrong field: only the name of an account is written down.
    user = User.objects.filter(username_key=name_key(str(credentials.get("username", "")))).first()
    with transaction.atomic():
        audit.record("login.failed", actor=None, obj=user, actor_name=user.username if user else "")
