"""Watching what a version says: the streams of its grades, looks at them, alarms and what was decided, and blind reads."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import OnAlarm, Project, ProjectClass
from mediscan_site.core.models import WorkItem
from models_registry.models.acceptance import PLACE_LENGTH
from models_registry.models.grades import Grade
from models_registry.models.versions import ModelVersion


class WatchStream(models.Model):
    """The online test of one version at one place: where it stands. All of it can be computed again from the grades."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="watch_streams")
    site = models.CharField(max_length=PLACE_LENGTH)
    # What is ranked: the distance, or what stands for it where a version has none (`watch.streams.SCORES`).
    score = models.CharField(max_length=16)
    seen = models.PositiveIntegerField(default=0)
    # The grades up to here are counted in.
    last_finished_at = models.DateTimeField(null=True)
    last_grade = models.BigIntegerField(default=0)
    log_capital = models.FloatField(default=0.0)
    highest = models.FloatField(default=0.0)
    bets = models.JSONField(default=dict)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "site"], name="one_stream_per_site")]

    def __str__(self) -> str:
        return f"stream of {self.model_id} at {self.site}"


class Watch(WorkItem):
    """One look at the grades of a version against its reference, place by place. `created_by` null: the nightly look."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="watches")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="watches")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    result = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "watches"
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="watch_by_status"),
            models.Index(fields=["model", "id"], name="watch_by_model"),
        ]

    def __str__(self) -> str:
        return f"watch {self.pk} of {self.model_id}"


class Alarm(models.Model):
    """A stream reached its limit. Open until somebody has looked at it and decided; `rule`: what it does until then."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="alarms")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="alarms")
    site = models.CharField(max_length=PLACE_LENGTH)
    score = models.CharField(max_length=16)
    rule = models.CharField(max_length=8, choices=OnAlarm)
    # The stop rule as it was applied: the capital at which to alarm, what it had reached, and after how many grades.
    limit = models.FloatField()
    log_capital = models.FloatField()
    seen = models.PositiveIntegerField()
    grade = models.ForeignKey(Grade, null=True, on_delete=models.SET_NULL, related_name="+")
    raised_at = models.DateTimeField(default=timezone.now)
    # True while open, null once it is decided: a place has at most one open alarm of a version.
    active = models.BooleanField(null=True, default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "site", "active"], name="one_open_alarm_per_site")]
        indexes = [models.Index(fields=["project", "id"], name="alarm_by_project")]

    def __str__(self) -> str:
        return f"alarm {self.pk}"


class AlarmTold(models.Model):
    """Somebody who was told of an alarm: on the dashboard, and by mail where `mailed_at` is set."""

    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="told")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alarm", "user"], name="told_once")]

    def __str__(self) -> str:
        return f"{self.user_id} told of {self.alarm_id}"


class AlarmDecision(models.Model):
    """What whoever looked at an alarm decided. Append-only: a later decision takes the place of an earlier one."""

    class Decision(models.TextChoices):
        GO_ON = "go_on", "go on: the version answers, and the watching begins anew"
        REFER_ALL = "refer_all", "refer all: every scan of the place goes to a doctor"
        ROLL_BACK = "roll_back", "roll back: refer all until another version serves"

    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="decisions")
    decision = models.CharField(max_length=16, choices=Decision)
    reason = models.TextField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.decision} of {self.alarm_id}"


class BlindRead(models.Model):
    """An answered grade that was drawn to be read by a doctor who has not seen the answer. Only these count for live accuracy."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="blind_reads")
    grade = models.OneToOneField(Grade, on_delete=models.CASCADE, related_name="blind_read")
    # The share that was drawn with.
    share = models.FloatField()
    created_at = models.DateTimeField(default=timezone.now)
    holder = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    held_until = models.DateTimeField(null=True)
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    read_at = models.DateTimeField(null=True)
    read_class = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    ungradable_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="blind_read_is_class_or_ungradable",
                condition=models.Q(read_at__isnull=True, read_class__isnull=True, ungradable_reason="")
                | (models.Q(read_at__isnull=False, read_class__isnull=False, ungradable_reason=""))
                | (models.Q(read_at__isnull=False, read_class__isnull=True) & ~models.Q(ungradable_reason="")),
            ),
        ]
        indexes = [models.Index(fields=["project", "read_at", "id"], name="blind_read_by_project")]

    def __str__(self) -> str:
        return f"blind read {self.pk} of {self.grade_id}"
