"""Accounts: who may sign in, as what, with which tokens. Every change is audited in its transaction."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from mediscan_site.core import audit, logins, preferences
from mediscan_site.core.auth import SERVICE_TOKEN_PREFIX, password_mark, token_digest
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.messages import services as messages
from mediscan_site.core.models import Invitation, Role, ServiceToken, User
from mediscan_site.core.names import name_key
from mediscan_site.core.policies import is_admin, require_admin
from mediscan_site.core.scopes import LIFETIME, LONGEST, USUAL, chosen

CHANGEABLE = ("username", "email", "role", "is_active")


def create_user(
    *, actor: User | None, username: str, password: str | None = None, role: str = Role.DOCTOR, email: str = ""
) -> User:
    """A new account; without a password it can only sign in after a reset link. `actor` None is the operator's shell.

    Raises Invalid naming the field: a name that is taken (in any case of letters), a weak password, an unknown role."""
    _require_manager(actor)
    user = User(username=username, email=email, role=role)
    _validate(user)
    if password is None:
        user.set_unusable_password()
    else:
        _clean("password", lambda: validate_password(password, user), code="weak_password")
        user.set_password(password)
    with transaction.atomic():
        _save(user)
        audit.record("user.create", actor=actor, obj=user, details={"username": user.username, "role": user.role})
    return user


def update_user(*, actor: User, user: User, changes: Mapping[str, Any]) -> User:
    """Change `username`, `email`, `role` or `is_active`. Conflict `last_admin`: none active would be left."""
    require_admin(actor)
    with transaction.atomic():
        # Two admins who demote each other at the same moment wait for one another here.
        list(User.objects.select_for_update().filter(role=Role.ADMIN).order_by("pk").values_list("pk"))
        user = User.objects.select_for_update().get(pk=user.pk)
        before = {name: getattr(user, name) for name in CHANGEABLE}
        for name in CHANGEABLE:
            setattr(user, name, changes.get(name, before[name]))
        changed = [name for name in CHANGEABLE if getattr(user, name) != before[name]]
        if not changed:
            return user
        _validate(user)
        _save(user)
        if {"role", "is_active"} & set(changed):
            _end_tokens(actor, user, because="account")
        if not User.objects.filter(role=Role.ADMIN, is_active=True).exists():
            raise Conflict("This is the last active administrator. Make another one first.", code="last_admin")
        audit.record("user.update", actor=actor, obj=user, details={"fields": changed, "role": user.role})
    return user


def set_preferences(*, actor: User, values: Mapping[str, Any]) -> User:
    """Some of what a person may set for themselves (`core.preferences`); the others stay. Invalid names the preference."""
    kept = preferences.checked(values)
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.pk)
        user.preferences = {**user.preferences, **kept}
        user.save(update_fields=["preferences"])
    actor.preferences = user.preferences
    return user


def set_password(*, actor: User | None, user: User, password: str) -> User:
    """A new password, set by the user or from the operator's shell. Ends every session and token of the account."""
    if actor is not None and actor.pk != user.pk:
        raise Forbidden("Nobody sets another person's password. Send a reset link instead.")
    _clean("password", lambda: validate_password(password, user), code="weak_password")
    user.set_password(password)
    with transaction.atomic():
        user.save(update_fields=["password"])
        # Whoever chose it has proved who they are.
        logins.unlock(user)
        _end_tokens(actor, user, because="password")
        audit.record("user.update", actor=actor, obj=user, details={"fields": ["password"]})
        _accept_invitation(user)
    return user


def _accept_invitation(user: User) -> None:
    """Whoever was invited and has a password of their own has come, by whichever link."""
    asked = Invitation.objects.filter(user=user, accepted_at=None)
    # The page of an account is for administrators: who is none any more is not told.
    inviters = list(User.objects.filter(role=Role.ADMIN, pk__in=asked.values("invited_by")))
    if asked.update(accepted_at=timezone.now()):
        audit.record("user.join", actor=user, obj=user)
        url = reverse("user", args=[user.pk])
        facts = {"name": user.username}
        messages.tell(inviters, "invitation_accepted", key=f"joined:{user.pk}", url=url, facts=facts)


def end_log_ins(*, actor: User, user: User) -> User:
    """End every session and log-in by token of the account, everywhere; its service tokens stay."""
    _require_self_or_admin(actor, user, "Only an administrator logs others out.")
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sessions_ended=F("sessions_ended") + 1)
        audit.record("user.log_out", actor=actor, obj=user)
    user.refresh_from_db(fields=["sessions_ended"])
    return user


def issue_service_token(
    *,
    actor: User,
    user: User,
    name: str,
    scopes: Sequence[str] = USUAL,
    expires_at: datetime | None = None,
) -> tuple[ServiceToken, str]:
    """A token for a machine that acts as `user`, and its text, which is shown only once and never stored. Without
    `expires_at` it lasts a year; two are the most."""
    _require_self_or_admin(actor, user)
    if not name.strip():
        raise Invalid("Give the token a name that says where it is used.", attr="name")
    raw = SERVICE_TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ServiceToken(
        user=user,
        name=name.strip(),
        digest=token_digest(raw.encode()),
        scopes=chosen(scopes),
        password_mark=password_mark(user),
        made_by=actor,
        expires_at=_expiry(expires_at),
    )
    facts = {"user": user.pk, "scopes": token.scopes, "expires_at": token.expires_at.isoformat()}
    with transaction.atomic():
        token.save(force_insert=True)
        audit.record("token.create", actor=actor, obj=token, details=facts)
    return token, raw


def _expiry(wanted: datetime | None) -> datetime:
    now = timezone.now()
    if wanted is None:
        return now + LIFETIME
    if wanted <= now:
        raise Invalid("The expiry must be in the future.", attr="expires_at")
    if wanted > now + LONGEST:
        raise Invalid(f"A token lasts {LONGEST.days} days at most. Choose an earlier end.", attr="expires_at")
    return wanted


def _end_tokens(actor: User | None, user: User, *, because: str) -> None:
    """The service tokens of an account end with its password, its role and its being active."""
    for token in list(ServiceToken.objects.filter(user=user, revoked_at=None)):
        ServiceToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
        audit.record("token.revoke", actor=actor, obj=token, details={"user": user.pk, "because": because})


def revoke_service_token(*, actor: User, token: ServiceToken) -> None:
    """End the token at once; revoking it again changes nothing."""
    _require_self_or_admin(actor, token.user)
    with transaction.atomic():
        if ServiceToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            audit.record("token.revoke", actor=actor, obj=token, details={"user": token.user_id})


def make_reset_link(*, actor: User, user: User, base_url: str) -> str:
    """A one-time link by which `user` sets a password (valid for PASSWORD_RESET_TIMEOUT); an admin hands it over."""
    require_admin(actor)
    if not user.is_active:
        raise Conflict("The account is not active. Activate it first.", code="inactive_user")
    with transaction.atomic():
        audit.record("user.update", actor=actor, obj=user, details={"fields": ["reset_link"]})
    return reset_link(user, base_url)


def unlock_account(*, actor: User, user: User) -> None:
    """Let the account log in again after too many failures, from everywhere."""
    require_admin(actor)
    with transaction.atomic():
        logins.unlock(user)
        audit.record("user.unlock", actor=actor, obj=user)


def reset_link(user: User, base_url: str) -> str:
    parts = {
        "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
        "token": default_token_generator.make_token(user),
    }
    return base_url.rstrip("/") + reverse("password_reset_confirm", kwargs=parts)


def _require_manager(actor: User | None) -> None:
    if actor is not None:
        require_admin(actor)


def _require_self_or_admin(
    actor: User, user: User, else_said: str = "Only an administrator manages the tokens of others."
) -> None:
    if not is_admin(actor) and not (actor.is_active and actor.pk == user.pk):
        raise Forbidden(else_said)


def _validate(user: User) -> None:
    """Brings name and flags into shape. Raises Invalid naming the field."""
    if user.role not in Role.values:
        raise Invalid(f"The role must be one of: {', '.join(Role.values)}.", code="invalid_choice", attr="role")
    user.is_staff = user.is_superuser = user.role == Role.ADMIN
    user.username = User.normalize_username(user.username)
    _clean("username", lambda: User._meta.get_field("username").clean(user.username, user))
    _clean("email", lambda: User._meta.get_field("email").clean(user.email, user))
    if User.objects.filter(username_key=name_key(user.username)).exclude(pk=user.pk).exists():
        raise _taken()


def equal_but_for_case(column: str, value: str) -> QuerySet[User]:
    """Accounts whose column differs from the value in case at most. Both lookups are needed: `iexact` keeps case on
    MySQL under a binary collation, and SQLite lowers only ASCII letters."""
    same = Q(lowered=value.lower()) | Q(**{f"{column}__iexact": value})
    return User.objects.alias(lowered=Lower(column)).filter(same)


def _clean(attr: str, check: Callable[[], Any], *, code: str = "invalid") -> None:
    try:
        check()
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), code=code, attr=attr) from error


def _save(user: User) -> None:
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise _taken() from error


def _taken() -> Invalid:
    return Invalid("This user name is taken. Choose another one.", code="unique", attr="username")
