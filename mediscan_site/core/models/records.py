"""What was done, what administrators must know, and what is counted."""

import uuid

from django.db import models
from django.utils import timezone

from mediscan_site.core.models.people import User


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


class Unsealed(models.Model):
    """An event that waits for its seal. A trigger writes the row with the event, whoever writes that, and the sealer takes it
    away. `stray`: looked at, and not the site's own (`core.trail.queue`)."""

    event = models.OneToOneField(
        AuditEvent, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="unsealed"
    )
    stray = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["stray", "event"], name="unsealed_in_order")]

    def __str__(self) -> str:
        return f"{self.event_id}: {'not ours' if self.stray else 'waits'}"


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
