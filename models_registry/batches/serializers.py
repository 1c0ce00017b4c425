"""JSON of grade batches and their results."""

from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.many_serializers import ScanListField
from images.models import Split
from images.policies import visible_projects
from labeling.policies import visible_imports
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.viewsets import JobSerializer
from models_registry.batches import selectors
from models_registry.grade_serializers import BEFORE, BEFORE_AT, FRAMES, REASONS, SEEN, WORST, AnswerSerializer
from models_registry.models import Grade, GradeBatch, GradeBatchItem

_PINNED = "The version that grades all of them: the one that was deployed when the batch was started."


class GradeBatchStartSerializer(serializers.Serializer[Any]):
    """One of: `images` (at most 1,000), `import`, or a `project` with `filters` as in the list of scans (none: all its scans)."""

    project = CodeField(visible_to=visible_projects, required=False)
    images = ScanListField(required=False)
    batch = CodeField(visible_to=visible_imports, required=False)
    filters = serializers.DictField(child=serializers.CharField(allow_blank=True, allow_null=True), required=False)

    def get_fields(self) -> dict[str, Any]:
        # `import` is a Python keyword.
        fields = super().get_fields()
        return {("import" if name == "batch" else name): field for name, field in fields.items()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        images, batch, project = attrs.get("images"), attrs.get("import"), attrs.get("project")
        if images is not None and not images:
            raise serializers.ValidationError({"images": "Name at least one scan."}, code="required")
        project = project or (images[0].project if images else batch.project if batch else None)
        if project is None:
            raise serializers.ValidationError({"project": "Name a project, scans or an import."}, code="required")
        return {"project": project, "images": images, "source_import": batch, "filters": attrs.get("filters")}


class BatchReasonSerializer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=GradeBatchItem.Outcome.choices)
    code = serializers.CharField()
    number = serializers.IntegerField()
    detail = serializers.CharField()


class GradeBatchSerializer(JobSerializer):
    """A batch: `waiting` scans are still to be graded, or were when it ended."""

    id = serializers.IntegerField(read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    model = serializers.CharField(source="model.code", read_only=True, help_text=_PINNED)
    origin = serializers.ChoiceField(choices=GradeBatch.Origin.choices, read_only=True)
    filters = serializers.DictField(child=serializers.CharField(), read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)
    total = serializers.IntegerField(read_only=True)
    waiting = serializers.IntegerField(source="number_waiting", read_only=True)
    answered = serializers.IntegerField(source="number_answered", read_only=True)
    referred = serializers.IntegerField(source="number_referred", read_only=True)
    failed = serializers.IntegerField(source="number_failed", read_only=True)
    left_out = serializers.IntegerField(source="number_left_out", read_only=True)

    class Meta:
        model = GradeBatch

    def get_fields(self) -> dict[str, Any]:
        # `import` is a Python keyword.
        source = serializers.IntegerField(source="source_import_id", read_only=True, allow_null=True)
        return {**super().get_fields(), "import": source}

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {"type": "integer"}})
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        if obj.finished_at is None:
            return None
        return {"answered": obj.number_answered, "referred": obj.number_referred}


class GradeBatchDetailSerializer(GradeBatchSerializer):
    """One batch. `reasons`: why scans were left out or failed, and how many."""

    reasons = serializers.SerializerMethodField()

    @extend_schema_field(BatchReasonSerializer(many=True))
    def get_reasons(self, batch: GradeBatch) -> list[dict[str, Any]]:
        return list(BatchReasonSerializer(selectors.reasons(batch), many=True).data)


class ItemSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    image = serializers.CharField(source="image.code", read_only=True)
    file_name = serializers.CharField(source="image.file_name", read_only=True)
    patient = serializers.CharField(source="image.patient", read_only=True, allow_null=True)
    outcome = serializers.ChoiceField(choices=GradeBatchItem.Outcome.choices, read_only=True)
    code = serializers.CharField(read_only=True)
    detail = serializers.CharField(read_only=True)
    grade = serializers.IntegerField(source="grade_id", read_only=True, allow_null=True)

    class Meta:
        model = GradeBatchItem


class BatchAnswerSerializer(AnswerSerializer):
    """What the grade of one scan says."""

    prediction = serializers.CharField(source="prediction.name", read_only=True, allow_null=True)
    confidence = serializers.FloatField(read_only=True, allow_null=True)
    decision = serializers.SerializerMethodField()
    label = serializers.SerializerMethodField()  # type: ignore[assignment]  # the contract's name
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=REASONS)
    frames = serializers.ListField(child=serializers.IntegerField(), read_only=True, help_text=FRAMES)
    worst_frame = serializers.IntegerField(read_only=True, allow_null=True, help_text=WORST)
    seen_in = serializers.ChoiceField(choices=Split.choices, read_only=True, allow_null=True, help_text=SEEN)
    graded_before = serializers.IntegerField(read_only=True, allow_null=True, help_text=BEFORE)
    graded_before_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text=BEFORE_AT)
    graded_at = serializers.DateTimeField(source="finished_at", read_only=True, allow_null=True)

    class Meta:
        model = Grade


class BatchResultSerializer(BatchAnswerSerializer):
    """One scan of a batch and its answer, side by side. `code` and `detail` say why it has no grade; then the answer is empty."""

    def get_fields(self) -> dict[str, Any]:
        return {**ItemSerializer().get_fields(), **super().get_fields()}

    @cached_property
    def _of_scan(self) -> ItemSerializer:
        return ItemSerializer()

    @cached_property
    def _of_grade(self) -> BatchAnswerSerializer:
        return BatchAnswerSerializer()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        answer = self._of_grade.to_representation(instance.grade) if instance.grade else _NO_ANSWER
        return {**self._of_scan.to_representation(instance), **answer}


_NO_ANSWER: dict[str, Any] = {
    **dict.fromkeys(BatchAnswerSerializer().fields),
    "reasons": [],
    "frames": [],
    "prediction_set_reason": "",
}
# The columns of a file.
COLUMNS = tuple(BatchResultSerializer().fields)
