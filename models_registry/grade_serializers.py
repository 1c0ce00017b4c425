"""JSON of grades, feedback and history: parsing and shape, no rules. Classes go by name outside and by id inside."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from images.models import RESEARCH_USE, Split, scan_code
from images.policies import visible_projects
from images.serializers import FactsSerializer, scan_field
from labeling.reading.labels import parse_class
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.viewsets import JobSerializer
from models_registry import policies, selectors
from models_registry.grades import prediction_sets
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import Feedback, FirstRead, Grade
from models_registry.versions import conditions
from models_registry.versions.class_changes import since_training

_SET = (
    "Classes that cannot be ruled out, the most probable first; empty when no class fits, null where there is no set."
)
_COVERAGE = "Share of scans, 0 to 1, whose sets are to hold the true class; null where there is no set."
REASONS = "Why the scan is referred, as codes; empty for an answer. " + " ".join(
    f"`{reason}`: {reason.sentence}" for reason in ReferReason
)
SEEN = (
    "The side of the model's own data sets that has this scan or the same picture. An answer to what is in `train` or `val` is "
    "no evidence for the model; null: it has not seen it."
)
_SENTENCES = "The reasons in their order, with the sentence for a doctor and what helps."
_DISTANCE = (
    "How far the scan lies from what the model learned, as a share of the limit from which on it is referred; null where the model "
    "cannot tell, and `distance_reason` says why."
)
_SPREAD = "How far the networks of the model disagree: the standard deviation of their probabilities of `prediction`; null for one."
BEFORE = "The newest earlier grade of the same scan by the same model, which says the same again; null: there is none."
BEFORE_AT = "When that one was answered."
_STANDING = (
    "What was known of the model at the place where the scan was taken: it `learned` from it, was tested there and `accepted` or "
    "`refused`, or is `untested`; null before there is an answer."
)
FRAMES = "Of a scan of several frames those whose answers were put together, from 1; empty for one frame."
_UNREAD = "Frames that were to be looked at and on which nothing could be read; they took no part."
WORST = "The frame that by itself speaks most clearly for `prediction`; the heat map lies on it. Null for a scan of one frame."
_REASON = "Why there is no set; empty where there is one."


class GradeRequestSerializer(FactsSerializer):
    """`project` and `file` with what is known about it, or an `image` that is already here."""

    project = CodeField(visible_to=visible_projects, required=False)
    file = serializers.FileField(required=False, allow_empty_file=True)
    image = scan_field(required=False)
    external_id = serializers.CharField(required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        image, project = attrs.get("image"), attrs.get("project")
        if ("file" in attrs) == (image is not None):
            raise serializers.ValidationError({"file": "Send either a file (with its project) or an image."})
        if image is None and project is None:
            raise serializers.ValidationError(
                {"project": "Name the project whose model shall grade this file."}, "required"
            )
        if image is None:
            return attrs
        if project is not None and image.project_id != project.pk:
            raise serializers.ValidationError({"image": "There is no such scan in this project."}, "does_not_exist")
        return {**attrs, "project": image.project}


class AnswerSerializer(serializers.Serializer[Any]):
    """What a grade answered: how to get `decision` and `label`, and after its own fields the prediction set."""

    def get_fields(self) -> dict[str, Any]:
        return {
            **super().get_fields(),
            "prediction_set": serializers.SerializerMethodField(help_text=_SET),
            "prediction_set_coverage": serializers.SerializerMethodField(help_text=_COVERAGE),
            "prediction_set_reason": serializers.SerializerMethodField(help_text=_REASON),
        }

    def to_representation(self, instance: Grade) -> dict[str, Any]:
        # Once for the three fields.
        self._set = prediction_sets.of(instance)
        return super().to_representation(instance)

    def get_prediction_set(self, grade: Grade) -> list[str] | None:
        classes = self._set.classes
        return None if classes is None else list(classes)

    def get_prediction_set_coverage(self, grade: Grade) -> float | None:
        return self._set.coverage

    def get_prediction_set_reason(self, grade: Grade) -> str:
        return self._set.reason

    @extend_schema_field(serializers.ChoiceField(choices=Grade.Decision.choices, allow_null=True))
    def get_decision(self, grade: Grade) -> str | None:
        return grade.decision or None

    def get_label(self, grade: Grade) -> str | None:
        """The answer; null while there is none, and when the scan is referred to a doctor."""
        return grade.prediction.name if grade.prediction and grade.decision == Grade.Decision.ANSWER else None


class ReasonSerializer(serializers.Serializer[Any]):
    """One reason to refer, in words."""

    code = serializers.ChoiceField(choices=[(reason.value, reason.sentence) for reason in ReferReason])
    sentence = serializers.CharField()
    remedy = serializers.CharField()


class GradeSerializer(AnswerSerializer, JobSerializer):
    """An answer, or the job that will give it. `confidence` is null where the model could not be calibrated."""

    id = serializers.IntegerField(read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    image = serializers.SerializerMethodField()
    model = serializers.CharField(source="model.code", read_only=True)
    prediction = serializers.CharField(source="prediction.name", read_only=True, allow_null=True, default=None)
    confidence = serializers.FloatField(read_only=True, allow_null=True)
    calibrated = serializers.SerializerMethodField()
    probabilities = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField()
    label = serializers.SerializerMethodField()  # type: ignore[assignment]  # the contract's name
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=REASONS)
    reason_sentences = serializers.SerializerMethodField(help_text=_SENTENCES)
    distance = serializers.FloatField(read_only=True, allow_null=True, help_text=_DISTANCE)
    distance_reason = serializers.SerializerMethodField(help_text="Why there is no distance; empty where there is one.")
    spread = serializers.FloatField(read_only=True, allow_null=True, help_text=_SPREAD)
    frames = serializers.ListField(child=serializers.IntegerField(), read_only=True, help_text=FRAMES)
    frames_unread = serializers.ListField(child=serializers.IntegerField(), read_only=True, help_text=_UNREAD)
    worst_frame = serializers.IntegerField(read_only=True, allow_null=True, help_text=WORST)
    seen_in = serializers.ChoiceField(choices=Split.choices, read_only=True, allow_null=True, help_text=SEEN)
    graded_before = serializers.IntegerField(read_only=True, allow_null=True, help_text=BEFORE)
    graded_before_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text=BEFORE_AT)
    standing = serializers.ChoiceField(
        choices=Grade.Standing.choices, read_only=True, allow_null=True, source="standing_or_none", help_text=_STANDING
    )
    warnings = serializers.SerializerMethodField(help_text="Sentences that belong beside the answer; empty for none.")
    unknown_classes = serializers.SerializerMethodField(help_text="Classes in use that the model does not know.")
    retired_classes = serializers.SerializerMethodField(
        help_text="Classes that it answers and the project has retired."
    )
    heatmap = serializers.SerializerMethodField()
    latency_ms = serializers.FloatField(read_only=True, allow_null=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    intended_use = serializers.CharField(source="project.intended_use", read_only=True)
    research_use = serializers.SerializerMethodField()

    class Meta:
        model = Grade

    def get_image(self, grade: Grade) -> str:
        # By its key: for nothing else would the scan have to be read.
        return scan_code(grade.image_id)

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_warnings(self, grade: Grade) -> list[str]:
        return conditions.warnings(grade)

    def get_calibrated(self, grade: Grade) -> bool:
        return grade.confidence is not None

    @extend_schema_field(ReasonSerializer(many=True))
    def get_reason_sentences(self, grade: Grade) -> list[dict[str, str]]:
        found = selectors.refer_reasons(grade)
        return [{"code": one.value, "sentence": one.sentence, "remedy": one.remedy} for one in found]

    def get_distance_reason(self, grade: Grade) -> str:
        return selectors.why_no_distance(grade)

    @extend_schema_field(serializers.DictField(child=serializers.FloatField()))
    def get_probabilities(self, grade: Grade) -> dict[str, float]:
        return selectors.named_probabilities(grade)

    def get_unknown_classes(self, grade: Grade) -> list[str]:
        return list(since_training(grade.model, grade.project).unknown)

    def get_retired_classes(self, grade: Grade) -> list[str]:
        return list(since_training(grade.model, grade.project).retired)

    @extend_schema_field(serializers.URLField())
    def get_heatmap(self, grade: Grade) -> str:
        return reverse("grade-heatmap", kwargs={"pk": grade.pk}, request=self.context.get("request"))

    def get_research_use(self, grade: Grade) -> str:
        return RESEARCH_USE

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        if not obj.decision:
            return None
        return {"prediction": obj.prediction.name, "decision": obj.decision, "confidence": obj.confidence}


class OwnReadRequestSerializer(serializers.Serializer[Any]):
    """`label`: a class of the project; in a first read empty or left out for "I cannot tell"."""

    label = serializers.CharField(  # type: ignore[assignment]  # the protocol's name
        required=False, allow_blank=True, allow_null=True, max_length=120
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name = attrs.get("label")
        if not name and self.context["needed"]:
            raise serializers.ValidationError({"label": "Name the class that you settle on."}, "required")
        return {"label_class": parse_class(self.context["project"], name) if name else None}


class FirstReadSerializer(serializers.ModelSerializer[FirstRead]):
    """What a doctor saw before the answer was uncovered (null: could not tell), and what they settled on after it."""

    grade = serializers.IntegerField(source="grade_id", read_only=True)
    reader = serializers.CharField(source="reader.username", read_only=True)
    label = serializers.CharField(  # type: ignore[assignment]  # the protocol's name
        source="read_class.name", read_only=True, allow_null=True, default=None
    )
    final_label = serializers.CharField(source="final_class.name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = FirstRead
        fields = ["id", "grade", "reader", "label", "read_at", "final_label", "settled_at"]
        read_only_fields = fields


class FeedbackRequestSerializer(serializers.Serializer[Any]):
    grade = CodeField(visible_to=policies.visible_grades)
    correct = serializers.BooleanField(allow_null=False)
    correct_label = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    comment = serializers.CharField(required=False, allow_blank=True, max_length=4000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name = attrs.pop("correct_label", None)
        attrs["correct_class"] = parse_class(attrs["grade"].project, name, attr="correct_label") if name else None
        return attrs


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """`labeled`: the answer became the doctor's label. `held_for_admin`: a test scan's label is for an admin to decide."""

    grade = serializers.IntegerField(source="grade_id", read_only=True)
    author = serializers.CharField(source="author.username", read_only=True)
    correct_label = serializers.CharField(source="correct_class.name", read_only=True, allow_null=True, default=None)
    label = serializers.IntegerField(  # type: ignore[assignment]  # the protocol's name
        source="label_id", read_only=True, allow_null=True
    )

    class Meta:
        model = Feedback
        fields = [
            "id",
            "grade",
            "correct",
            "correct_label",
            "comment",
            "label",
            "held_for_admin",
            "author",
            "created_at",
        ]
        read_only_fields = fields


class HistorySerializer(AnswerSerializer):
    """One line of the history: a scan, what a model said about it, and what doctors have said since."""

    id = serializers.IntegerField(read_only=True)
    date = serializers.DateTimeField(source="created_at", read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    image = serializers.CharField(source="image.code", read_only=True)
    file_name = serializers.CharField(source="image.file_name", read_only=True)
    patient = serializers.CharField(source="image.patient", read_only=True, allow_null=True)
    status = serializers.CharField(read_only=True)
    prediction = serializers.CharField(source="prediction.name", read_only=True, allow_null=True, default=None)
    confidence = serializers.FloatField(read_only=True, allow_null=True)
    decision = serializers.SerializerMethodField()
    label = serializers.SerializerMethodField()  # type: ignore[assignment]  # the protocol's name
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=REASONS)
    model = serializers.CharField(source="model.code", read_only=True)
    frames = serializers.ListField(child=serializers.IntegerField(), read_only=True, help_text=FRAMES)
    worst_frame = serializers.IntegerField(read_only=True, allow_null=True, help_text=WORST)
    seen_in = serializers.ChoiceField(choices=Split.choices, read_only=True, allow_null=True, help_text=SEEN)
    graded_before = serializers.IntegerField(read_only=True, allow_null=True, help_text=BEFORE)
    graded_before_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text=BEFORE_AT)
    feedback = FeedbackSerializer(many=True, read_only=True, source="feedback.all")
    reference_label = serializers.CharField(
        source="image.label_class.name", read_only=True, allow_null=True, default=None
    )
    approval_status = serializers.CharField(source="image.approval_status", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)

    class Meta:
        model = Grade
