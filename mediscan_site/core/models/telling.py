"""What people are told, and how far whoever tells has come."""

from django.db import models
from django.utils import timezone

from mediscan_site.core.models.people import User


class Message(models.Model):
    """One thing that one person is told (`core.messages`). Its sentence is made when it is read, in the language of whoever reads
    it, of `kind` and `facts`: codes, numbers and names of projects, never of a patient or a file. `key`: told once."""

    class Mail(models.TextChoices):
        NONE = "none"
        WANTED = "wanted"
        SENT = "sent"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=120)
    facts = models.JSONField(default=dict)
    url = models.CharField(max_length=200)
    project = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    mail = models.CharField(max_length=8, choices=Mail, default=Mail.NONE)
    # Since when a worker is mailing it.
    mail_begun_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="message_told_once")]
        indexes = [
            models.Index(fields=["user", "read_at"], name="message_unread"),
            models.Index(fields=["user", "id"], name="message_by_user"),
            models.Index(fields=["user", "kind", "id"], name="message_by_kind"),
            models.Index(fields=["user", "project", "id"], name="message_by_project"),
            models.Index(fields=["mail", "id"], name="message_by_mail"),
            models.Index(fields=["created_at"], name="message_by_date"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"


class Digest(models.Model):
    """When somebody who wants one last got a mail of what waits. `last_on`: a day of their own time zone."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    last_on = models.DateField()

    def __str__(self) -> str:
        return f"digest of {self.user_id}, last on {self.last_on}"


class Bookmark(models.Model):
    """How far something that goes on and on has come: of what reads the trail the last `seq`, of a sweep its place and counts."""

    name = models.CharField(max_length=40, unique=True)
    seq = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} at {self.seq}"
