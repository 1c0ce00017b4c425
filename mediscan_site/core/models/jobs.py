"""The shape of all queued work, and the work of the ground floor itself."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from mediscan_site.core.models.people import User


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
    # The field that says since when it waits. (`queued_at` is renewed with each wake-up.)
    asked_field: ClassVar[str] = "created_at"

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
        """Given back for want of room (`pausing.pause`): `error` says why it waits."""
        return self.status == WorkStatus.QUEUED and bool(self.error)


class TaskLease(models.Model):
    """Who does a periodic task at the moment, by the database's clock (`core.alone`); one row for each such task."""

    name = models.CharField(max_length=80, unique=True)
    holder = models.CharField(max_length=32, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.holder or 'free'}"


class ResetRequest(WorkItem):
    """Somebody asked for a new password. `email` as it was typed, until the worker has dealt with it."""

    asked_field = "requested_at"

    email = models.CharField(max_length=254, blank=True)
    base_url = models.CharField(max_length=300)
    requested_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"reset request {self.pk}"


class Invitation(WorkItem):
    """Somebody was asked to join. The work is its mail; without a mail server none is sent and an administrator hands the link
    over. The link itself is kept nowhere: it ends at `expires_at`, with another one, and with the password that is chosen."""

    owner_field = "invited_by"

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="invitation")
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    base_url = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    taken_back_at = models.DateTimeField(null=True, blank=True)
    mailed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"invitation of {self.user_id}"

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.taken_back_at is None

    @property
    def has_expired(self) -> bool:
        return self.is_open and self.expires_at <= timezone.now()


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


class Worker(models.Model):
    """A worker or beat that runs, as it says itself now and then (`core.workers`). `processes`: how many work in it."""

    name = models.CharField(max_length=200, unique=True)
    queues = models.JSONField(default=list)
    processes = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
