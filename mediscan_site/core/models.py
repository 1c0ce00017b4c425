"""The ground floor's tables: people, encrypted objects, the audit trail, idempotency, and the shape of all queued work."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone

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


class Blob(models.Model):
    """One immutable encrypted object. The file key is kept only here, wrapped by a master key: dropping it destroys the bytes.
    `checked_at`: when its bytes were stored, or last read back (`core.storage.verification`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    path = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    stored_size = models.BigIntegerField()
    stored_sha256 = models.CharField(max_length=64)
    key_id = models.CharField(max_length=40, db_index=True)
    wrapped_key = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["checked_at", "id"], name="blob_by_check"),
            models.Index(fields=["quarantined_at"], name="blob_by_quarantine"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class KeyCheck(models.Model):
    """What one key of the site's key file is known by (`core.storage.own_keys`). `name`: its purpose, or `master` and its name."""

    name = models.CharField(max_length=48, unique=True)
    value = models.CharField(max_length=64)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class StoreOwner(models.Model):
    """Who this database is to its store of objects (`core.storage.own_store`): one row. `marked_at`: since when the store says
    so too."""

    site = models.CharField(max_length=32)
    marked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.site


class AuditEvent(models.Model):
    """Who did what to which object. Written in the transaction of the change, never edited (triggers refuse it); its seal is a
    row of its own. `mac` shows that the site wrote it (`core.trail.macs`); events older than these two columns have none."""

    uid = models.UUIDField(null=True, unique=True, default=uuid.uuid4, editable=False)
    mac = models.CharField(max_length=64, blank=True, editable=False)
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    project = models.BigIntegerField(null=True, blank=True)
    ip = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["object_type", "object_id", "id"], name="audit_by_object"),
            models.Index(fields=["project", "id"], name="audit_by_project"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class AuditSeal(models.Model):
    """The place of an event in the HMAC chain. `prev_hash` is unique, so two sealers cannot fork the chain."""

    seq = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="seal")
    prev_hash = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.seq}: {self.hash[:12]}"


class Notice(models.Model):
    """What administrators must know until it is mended (`core.notices`). `key` names the trouble: one row each."""

    key = models.CharField(max_length=80, unique=True)
    sentence = models.TextField()
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.key}: {self.sentence}"


class Tally(models.Model):
    """One use of something that is limited (`core.limits`). `who` is a keyed digest: nothing that was typed is kept."""

    what = models.CharField(max_length=40)
    who = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["what", "who", "at"], name="tally_by_who")]

    def __str__(self) -> str:
        return f"{self.what} {self.at}"


class IdempotencyRecord(models.Model):
    """The stored answer to a POST that carried an Idempotency-Key (kept 24 hours). `status` is null while it is being worked on."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    route = models.CharField(max_length=120)
    key = models.CharField(max_length=120)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "route", "key"], name="idempotency_once")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class WorkStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


# What is waiting or being worked on, and what is over.
ACTIVE = (WorkStatus.QUEUED, WorkStatus.RUNNING)
ENDED = (WorkStatus.SUCCEEDED, WorkStatus.FAILED, WorkStatus.CANCELLED)


class WorkItem(models.Model):
    """A long job. This row is the queue; a Celery message only wakes a worker, which claims the row (`core.work`)."""

    # The field that says who asked for it.
    owner_field: ClassVar[str] = "created_by"

    status = models.CharField(max_length=16, choices=WorkStatus, default=WorkStatus.QUEUED)
    progress = models.FloatField(default=0.0)
    error = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(default=0)
    # The lowest goes first (`core.shares`).
    turn = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    queued_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def paused(self) -> bool:
        """Given back for want of room (`work.pause`): `error` says why it waits."""
        return self.status == WorkStatus.QUEUED and bool(self.error)


class ResetRequest(WorkItem):
    """Somebody asked for a new password. `email` as it was typed, until the worker has dealt with it."""

    email = models.CharField(max_length=254, blank=True)
    base_url = models.CharField(max_length=300)
    requested_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"reset request {self.pk}"


class Drill(WorkItem):
    """One rehearsal of a restore (`core.backup.drills`): with which backup, how long it took, and what was verified."""

    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    backup = models.CharField(max_length=80, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    objects_verified = models.PositiveIntegerField(default=0)
    rows_counted = models.PositiveBigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["status", "created_at"], name="drill_by_status")]

    def __str__(self) -> str:
        return f"drill {self.pk} of {self.backup or 'no backup'}"


class Backup(WorkItem):
    """One backup of the whole site. `name`: its folder below BACKUP_DIR. `verified_at`: when all of it was last read back."""

    class Kind(models.TextChoices):
        DAILY = "daily"
        WEEKLY = "weekly"
        MANUAL = "manual"

    kind = models.CharField(max_length=8, choices=Kind)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=80, blank=True)
    objects_total = models.PositiveIntegerField(default=0)
    objects_copied = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["status", "created_at"], name="backup_by_status")]

    def __str__(self) -> str:
        return f"backup {self.name or self.pk}"
