"""People and machines, and what they sign in with."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from mediscan_site.core.names import NameKeyField, name_key


class Role(models.TextChoices):
    ADMIN = "admin"
    DOCTOR = "doctor"


class MediScanUserManager(UserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """As somebody types it, in whatever case of letters."""
        return self.get(username_key=name_key(username or ""))

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **extra_fields: Any
    ) -> "User":
        return super().create_superuser(username, email, password, **{**extra_fields, "role": Role.ADMIN})


class User(AbstractUser):
    """A person or a machine account. The role is the truth; Django's two flags follow it (a constraint holds them together)."""

    role = models.CharField(max_length=16, choices=Role, default=Role.DOCTOR)
    username_key = NameKeyField(max_length=255, unique=True, editable=False)
    # What they set for themselves (core.preferences).
    preferences = models.JSONField(default=dict, blank=True)
    # How often all sessions of the account were ended; a session knows which number it began with.
    sessions_ended = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[MediScanUserManager] = MediScanUserManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                name="user_flags_follow_role",
                condition=models.Q(role=Role.ADMIN, is_staff=True, is_superuser=True)
                | models.Q(role=Role.DOCTOR, is_staff=False, is_superuser=False),
            )
        ]

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == Role.ADMIN

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """Django's, and what makes every session of the account end at once (`services.end_log_ins`)."""
        if not self.sessions_ended:
            return str(super()._get_session_auth_hash(secret))  # type: ignore[misc]  # not in the stubs
        marked = f"{self.password} {self.sessions_ended}"
        return salted_hmac("mediscan.session", marked, secret=secret, algorithm="sha256").hexdigest()


class ServiceToken(models.Model):
    """A long-lived token for a machine. Only its SHA-256 is kept; the token itself is shown once. `scopes`: what it may do of
    what its account may (`core.scopes`). `password_mark`: it ends with the password it was made under. `made_by`: the person
    who has seen it, whom four-eyes counts as a reader of what it labels; null: made before this was kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="service_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    password_mark = models.CharField(max_length=64)
    made_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.user.username})"


class TokenWork(models.Model):
    """Which service token asked for a queued row, so that the worker's audit events name it too (`core.work`)."""

    table = models.CharField(max_length=80)
    row = models.BigIntegerField()
    token = models.ForeignKey(ServiceToken, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["table", "row"], name="one_token_for_a_job")]

    def __str__(self) -> str:
        return f"{self.table} {self.row}: token {self.token_id}"
