"""Maintained numbers (`core.totals`): of each kind a table of totals, and one of the changes that no worker has folded yet.
Triggers write the changes. No foreign keys: a number outlives what it counted, and comes back to nothing."""

from django.db import models


class ScanNumbers(models.Model):
    """Scans that are not erased, by what pages count them by. `label_class`: 0 for none; `split`, `hold`: empty for none."""

    project = models.BigIntegerField()
    label_status = models.CharField(max_length=16)
    approval_status = models.CharField(max_length=16)
    label_class = models.BigIntegerField()
    split = models.CharField(max_length=8)
    hold = models.CharField(max_length=24)
    number = models.BigIntegerField()

    class Meta:
        abstract = True


class ScanTotal(ScanNumbers):
    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "label_status", "approval_status", "label_class", "split", "hold"],
                name="scan_total_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} scans of project {self.project}"


class ScanChange(ScanNumbers):
    class Meta:
        indexes = [models.Index(fields=["project"], name="scan_change_by_project")]

    def __str__(self) -> str:
        return f"{self.number:+d} scans of project {self.project}"


class TagNumbers(models.Model):
    """On how many scans a tag is."""

    tag = models.BigIntegerField()
    number = models.BigIntegerField()

    class Meta:
        abstract = True


class TagTotal(TagNumbers):
    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag"], name="tag_total_once")]

    def __str__(self) -> str:
        return f"tag {self.tag} on {self.number} scans"


class TagChange(TagNumbers):
    class Meta:
        indexes = [models.Index(fields=["tag"], name="tag_change_by_tag")]

    def __str__(self) -> str:
        return f"tag {self.tag} on {self.number:+d} scans"


class ActivityNumbers(models.Model):
    """What people and models did, by quarters of an hour since 1970 in UTC, of which the days of every time zone are made.
    `person`: 0 for a model, and where it does not matter who."""

    class Kind(models.TextChoices):
        LABEL = "label"
        ANSWER = "answer"
        REFERRAL = "referral"

    kind = models.CharField(max_length=12, choices=Kind)
    project = models.BigIntegerField()
    quarter = models.BigIntegerField()
    person = models.BigIntegerField()
    number = models.BigIntegerField()

    class Meta:
        abstract = True


class ActivityTotal(ActivityNumbers):
    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "quarter", "person"], name="activity_total_once")
        ]

    def __str__(self) -> str:
        return f"{self.number} of {self.kind} in project {self.project}"


class ActivityChange(ActivityNumbers):
    class Meta:
        indexes = [models.Index(fields=["project", "kind", "quarter"], name="activity_change_by_project")]

    def __str__(self) -> str:
        return f"{self.number:+d} of {self.kind} in project {self.project}"
