"""What doctors say a scan is: labels, reviews, the queue."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import ApprovalStatus, Image, Project, ProjectClass
from labeling.models.places import ProjectOfImage


class Label(models.Model):
    """One reading of a scan by one reader (null: the model itself). Append-only, but for a mark when it is taken back; the
    current one is `Reference`."""

    class Source(models.TextChoices):
        DOCTOR = "doctor"
        IMPORT = "import"
        GRADE = "grade"
        FEEDBACK = "feedback"
        ADJUDICATION = "adjudication"

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="labels")
    project = ProjectOfImage()
    label_class = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    ungradable_reason = models.CharField(max_length=200, blank=True)
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    round = models.PositiveSmallIntegerField(default=1)
    # Who made the service token by which the reader's account gave it: that person may not approve it either.
    through = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=16, choices=Source)
    confidence_score = models.FloatField(null=True)
    comment = models.TextField(blank=True)
    annotation_date = models.DateTimeField(default=timezone.now)
    # How long its reader had the scan before them; null: it did not come from a queue (labeling.reading.timing).
    seconds = models.PositiveSmallIntegerField(null=True)
    # Its reader has taken it back, by undoing or by withdrawing it: it stays in the history and counts for nothing. A
    # grade that an approval made the label is marked when the approval is undone. What somebody else withdraws (who manages the
    # project, say) was said and read all the same: it has no mark.
    taken_back = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["image", "id"], name="label_by_image"),
            models.Index(fields=["project", "id"], name="label_by_project"),
            models.Index(fields=["project", "annotation_date", "id"], name="label_by_date"),
            models.Index(fields=["annotation_date", "id"], name="label_of_all_by_date"),
            models.Index(fields=["project", "source", "id"], name="label_by_source"),
            models.Index(fields=["reader", "project", "id"], name="label_by_reader"),
            # What somebody read, behind however many labels they brought in.
            models.Index(fields=["reader", "project", "source", "id"], name="label_read_by"),
            models.Index(fields=["reader", "id"], name="label_of_reader"),
        ]
        constraints = [
            models.CheckConstraint(
                name="label_is_class_or_ungradable",
                condition=(models.Q(label_class__isnull=False) & models.Q(ungradable_reason=""))
                | (models.Q(label_class__isnull=True) & ~models.Q(ungradable_reason="")),
            ),
            models.CheckConstraint(
                name="label_confidence_is_a_probability",
                condition=models.Q(confidence_score__isnull=True)
                | (models.Q(confidence_score__gte=0) & models.Q(confidence_score__lte=1)),
            ),
        ]

    def __str__(self) -> str:
        return f"label {self.pk} of {self.image_id}"


class Reference(models.Model):
    """The pointer from a scan to its current label. No row: unlabelled."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="reference")
    label = models.OneToOneField(Label, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.image_id} -> {self.label_id}"


class Review(models.Model):
    """A colleague's decision about one label. `scan_version` is the version the reviewer saw."""

    class Status(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"
        MODIFIED = "modified"

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="reviews")
    project = ProjectOfImage()
    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="reviews")
    status = models.CharField(max_length=16, choices=Status)
    new_label = models.OneToOneField(Label, null=True, on_delete=models.CASCADE, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField(blank=True)
    scan_version = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "scan_version"], name="one_decision_per_version")]
        indexes = [
            models.Index(fields=["project", "id"], name="review_by_project"),
            models.Index(fields=["project", "created_at", "id"], name="review_by_date"),
            models.Index(fields=["created_at", "id"], name="review_of_all_by_date"),
            models.Index(fields=["project", "status", "id"], name="review_by_status"),
            models.Index(fields=["reviewer", "project", "id"], name="review_by_reviewer"),
            models.Index(fields=["reviewer", "id"], name="review_of_reviewer"),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.label_id}"

    @property
    def is_taken_back(self) -> bool:
        return getattr(getattr(self, "decision", None), "undone", None) is not None


class Decision(models.Model):
    """What a reader's own label or review changed: the scan as it was before, so that whoever decided can take it back.
    Append-only; taking back is a row of its own (`undoes`)."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="decisions")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    task = models.CharField(max_length=8, choices=[("label", "label"), ("review", "review")])
    # The scan's version afterwards: while it has it, nothing has happened since.
    scan_version = models.PositiveIntegerField()
    label = models.OneToOneField(Label, null=True, on_delete=models.CASCADE, related_name="decision")
    review = models.OneToOneField(Review, null=True, on_delete=models.CASCADE, related_name="decision")
    # Null: there was none, also when a review first took a grade as the label (models_registry.grades.accepting).
    label_before = models.ForeignKey(Label, null=True, on_delete=models.CASCADE, related_name="+")
    approval_before = models.CharField(max_length=16, choices=ApprovalStatus.choices)
    # The doubt about `label_before` that ended with this: the columns of a LabelDoubt but for its scan.
    doubt_before = models.JSONField(null=True)
    undoes = models.OneToOneField("self", null=True, on_delete=models.CASCADE, related_name="undone")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["actor", "task", "id"], name="decision_by_actor")]
        constraints = [models.UniqueConstraint(fields=["image", "scan_version"], name="decided_once_per_version")]

    def __str__(self) -> str:
        return f"{self.task} of {self.image_id} by {self.actor_id}"

    @property
    def made(self) -> int | None:
        """The label that came of it, and goes with it when it is taken back: the actor's, or the grade that a review took."""
        if self.review is not None and self.label_before_id is None:
            return self.review.label_id
        return self.label_id


class Lease(models.Model):
    """A scan handed to one reader for ten minutes. A scan has as many seats as it still needs reads: one, unless the project
    wants several readers. Unique per scan, task and seat, so nobody else gets it. A seat below zero is the holder's own: of a
    scan that is only given again, or of a gold scan, and keeps nobody away."""

    class Task(models.TextChoices):
        LABEL = "label"
        REVIEW = "review"
        ADJUDICATE = "adjudicate"

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="leases")
    task = models.CharField(max_length=12, choices=Task)
    seat = models.IntegerField(default=0)
    holder = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="leases")
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "task", "seat"], name="one_lease_per_seat"),
            models.UniqueConstraint(fields=["image", "task", "holder"], name="one_lease_per_holder"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="lease_by_expiry")]

    def __str__(self) -> str:
        return f"{self.task} {self.image_id}"


class LabelDoubt(models.Model):
    """An approved label that a model trained without this scan contradicts. Written after a training with folds; a doctor
    looks at it again."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="label_doubt")
    project = ProjectOfImage()
    given = models.ForeignKey(ProjectClass, on_delete=models.CASCADE, related_name="+")
    suggested = models.ForeignKey(ProjectClass, on_delete=models.CASCADE, related_name="+")
    # Out-of-fold probabilities of the two classes.
    given_probability = models.FloatField()
    suggested_probability = models.FloatField()
    source = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["project", "suggested_probability", "image"], name="doubt_by_probability"),
            models.Index(fields=["project", "created_at", "image"], name="doubt_by_date"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.given_id} or {self.suggested_id}?"


class LastDoubts(models.Model):
    """When a training last said which labels of the project are in doubt, even if that none is: the doubts of that moment are the
    ones to put back, and no older ones. No row: none has said so yet."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.project_id} at {self.at}"


class KeptLabel(models.Model):
    """Somebody looked at a doubt and found the label right. The same doubt is not raised about this scan again."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="kept_labels")
    given = models.ForeignKey(ProjectClass, on_delete=models.CASCADE, related_name="+")
    suggested = models.ForeignKey(ProjectClass, on_delete=models.CASCADE, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "given", "suggested"], name="kept_once_per_doubt")]

    def __str__(self) -> str:
        return f"{self.image_id} stays {self.given_id}"


class QueueScore(models.Model):
    """How much a label of this scan would teach the model (higher first). Written after each training run, of a few hundred scans
    (`MOST` of a project)."""

    MOST = 500

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="queue_score")
    project = ProjectOfImage()
    score = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["project", "score", "image"], name="score_by_project")]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.score:.3f}"


class SaidBy(models.Model):
    """A set of people who have spoken of some scan of a project, as the scan's column `said_by` names it: each set once, never
    removed. A queue asks for each set that the reader is not in, one after the other: a scan that they may take is found without
    a look at those that they may not, however many these are."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    # `,7,12,`: keys of accounts, in order, with a comma on both sides of each; before it, of open reads, how many: `2,7,12,`.
    key = models.CharField(max_length=128)
    # Reads that stand open; 0: the people are those of its label.
    reads = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="said_by_once")]

    def __str__(self) -> str:
        return self.key
