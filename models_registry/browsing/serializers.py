"""JSON of what is behind the figures: parsing and shape, no rules. Classes go by name, as the version was trained with them."""

from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.models import RESEARCH_USE
from mediscan_site.core.http.codes import CodeField
from models_registry import policies
from models_registry.browsing.comparing import FIRST, NEITHER, SECOND, Comparison
from models_registry.browsing.gallery import CELLS
from models_registry.models import ModelVersion, ScanAnswer

SHARES = serializers.DictField(child=serializers.FloatField())
COUNTS = serializers.DictField(child=serializers.IntegerField())


class ClassOfVersionField(serializers.CharField):
    """A class that the version answers, by name."""

    def to_internal_value(self, data: Any) -> Any:
        said = super().to_internal_value(data)
        for entry in self.context["model"].classes:
            if entry["name"] == said:
                return entry
        raise serializers.ValidationError("The version has no class of this name.", code="unknown_class")


class AnswersAskedSerializer(serializers.Serializer[Any]):
    """What `gallery.Asked` takes: without anything all answers."""

    true = ClassOfVersionField(source="truth", required=False, help_text="What the doctors said.")
    predicted = ClassOfVersionField(source="said", required=False, help_text="What the version said.")
    right = serializers.BooleanField(required=False, allow_null=True, default=None)
    cell = serializers.ChoiceField(
        choices=list(CELLS), required=False, help_text="At `cutoff`, of the class `positive` against the rest."
    )
    positive = ClassOfVersionField(required=False)
    cutoff = serializers.FloatField(required=False, default=0.5, min_value=0, max_value=1)
    low = serializers.FloatField(required=False, default=0, min_value=0, max_value=1, help_text="Least confidence.")
    high = serializers.FloatField(
        required=False, default=1, min_value=0, max_value=1, help_text="Confidence below this; 1: all above."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "cell" in attrs and "positive" not in attrs:
            raise serializers.ValidationError({"positive": "Name the class that the cell is of."})
        if "cell" in attrs and {"truth", "said"} & set(attrs):
            raise serializers.ValidationError(
                {"cell": "Ask either for a cell at a cut-off, or for true and predicted."}
            )
        return attrs


class AnswerSerializer(serializers.ModelSerializer[ScanAnswer]):
    """`probabilities`: the calibrated ones, by class. `confidence`: that of `predicted`."""

    image = serializers.CharField(source="image.code", read_only=True)
    true = serializers.SerializerMethodField()
    predicted = serializers.SerializerMethodField()
    probabilities = serializers.SerializerMethodField()

    class Meta:
        model = ScanAnswer
        fields = ["id", "image", "true", "predicted", "right", "confidence", "probabilities"]
        read_only_fields = fields

    def get_true(self, row: ScanAnswer) -> str:
        return self._names[row.truth_id]

    def get_predicted(self, row: ScanAnswer) -> str:
        return self._names[row.said_id]

    @extend_schema_field(SHARES)
    def get_probabilities(self, row: ScanAnswer) -> dict[str, float]:
        return dict(zip(self._names.values(), row.shares, strict=True))

    @cached_property
    def _names(self) -> dict[int, str]:
        """In the version's order."""
        return {entry["id"]: entry["name"] for entry in self.context["model"].classes}


class ComparisonAskedSerializer(serializers.Serializer[Any]):
    """`other`: another version of the project, by key or code. `right`: whose answers are right in `differing`."""

    other = CodeField(prefix="model", visible_to=policies.visible_models)
    right = serializers.ChoiceField(choices=[FIRST, SECOND, NEITHER], required=False)

    def validate_other(self, other: ModelVersion) -> ModelVersion:
        model: ModelVersion = self.context["model"]
        if other.project_id != model.project_id:
            raise serializers.ValidationError("This version belongs to another project.", code="does_not_exist")
        if other == model:
            raise serializers.ValidationError("Choose two different versions.")
        return other


class SaidSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    confidence = serializers.FloatField()
    right = serializers.BooleanField()


class DifferingSerializer(serializers.Serializer[Any]):
    image = serializers.CharField(source="scan.code")
    true = serializers.CharField(source="truth")
    said = SaidSerializer(many=True, help_text="Of the first version, and of the second.")


class ComparisonSerializer(serializers.Serializer[Any]):
    """`reason`: why there is none, or, while `awaited`, none yet. Differences are those of the first version: above 0 it is
    better. `differing`: the surest of the scans on which they differ that the caller may see; `counts`: how many there are."""

    first = serializers.CharField(source="found.first.code")
    second = serializers.CharField(source="found.second.code")
    available = serializers.SerializerMethodField()
    awaited = serializers.BooleanField(source="found.awaited")
    reason = serializers.CharField(source="found.reason")
    evaluations = serializers.SerializerMethodField()
    classes = serializers.SerializerMethodField(help_text="The rows and columns of `matrices`.")
    tests = serializers.DictField(source="found.tests")
    matrices = serializers.ListField(
        source="found.matrices",
        child=serializers.ListField(child=serializers.ListField(child=serializers.IntegerField())),
        help_text="Of each version: rows are what the doctors said.",
    )
    counts = serializers.SerializerMethodField()
    differing = DifferingSerializer(source="shown", many=True)
    research_use = serializers.SerializerMethodField()

    def get_available(self, told: dict[str, Any]) -> bool:
        return not told["found"].reason

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_evaluations(self, told: dict[str, Any]) -> list[int]:
        return [row.pk for row in told["found"].readings]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_classes(self, told: dict[str, Any]) -> list[str]:
        return [entry["name"] for entry in told["found"].first.classes]

    @extend_schema_field(COUNTS)
    def get_counts(self, told: dict[str, Any]) -> dict[str, int]:
        found: Comparison = told["found"]
        return {who or "all": found.count(who) for who in ("", FIRST, SECOND, NEITHER)}

    def get_research_use(self, told: dict[str, Any]) -> str:
        return RESEARCH_USE
