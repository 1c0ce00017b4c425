"""JSON of training runs: parsing and shape, no rules."""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from images.serializers import project_field
from labeling.policies import visible_snapshots
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.numbers import NumberField
from mediscan_site.core.http.viewsets import JobSerializer
from models_registry.policies import visible_models
from training import selectors
from training.engine.config import ASKABLE
from training.engine.options import Option
from training.models import TrainingRun
from training.wishes import AUTO, FALSE, TRUE

LONGEST: Final = 80
WHOLE: Final = {"min_value": -(2**31), "max_value": 2**31 - 1}
DICT = serializers.DictField()


@extend_schema_field({"enum": [AUTO, TRUE, FALSE], "type": "string", "default": "auto"})
class SwitchField(serializers.Field):  # type: ignore[type-arg]
    """`auto`, true or false, as text or as JSON's own; the service says what else is wrong."""

    def to_internal_value(self, data: Any) -> str:
        return str(data)

    def to_representation(self, value: Any) -> Any:
        return value


def _field(option: Option) -> serializers.Field[Any, Any, Any, Any]:
    """An option of the engine. Null leaves it to the recipe, and what is out of bounds the service refuses by name."""
    about: dict[str, Any] = {"required": False, "allow_null": option.planned, "help_text": option.description}
    if option.kind is int:
        limits: Mapping[str, Any] = WHOLE if option.planned else {"min_value": option.low, "max_value": option.high}
        return serializers.IntegerField(**about, **limits)
    if option.kind is float:
        return NumberField(**about)
    if option.kind is bool:
        return SwitchField(required=False, help_text=option.description)
    return serializers.CharField(**about, max_length=LONGEST)


class RunRequestSerializer(serializers.Serializer[Any]):
    """What a run may be told; what is left out follows the recipe for the data set's size and the machine."""

    project = project_field()
    dataset = CodeField(prefix="dataset", visible_to=visible_snapshots, required=False, allow_null=True)
    model = CodeField(
        prefix="model",
        visible_to=visible_models,
        required=False,
        allow_null=True,
        help_text="A version of the project to continue from; its classes must be those of the data set.",
    )

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **{name: _field(option) for name, option in ASKABLE.items()}}


class PlanSerializer(serializers.Serializer[Any]):
    """What a run would be told, in one sentence and complete, and how long it would take."""

    plan = serializers.CharField(source="note", help_text="What it sees and why, and how long it takes.")
    start = serializers.CharField(source="config.initialisation_note", help_text="The network and its first weights.")
    seconds = serializers.FloatField(source="estimate.seconds")
    seconds_low = serializers.FloatField(source="estimate.low")
    seconds_high = serializers.FloatField(source="estimate.high")
    estimated_from = serializers.CharField(source="estimate.basis")
    config = serializers.DictField()


class RunSerializer(JobSerializer):
    """A run as `selectors.runs` loads it."""

    id = serializers.IntegerField(read_only=True)
    training_id = serializers.CharField(source="code", read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    dataset = serializers.CharField(source="snapshot.code", read_only=True)
    grouping = serializers.CharField(source="snapshot.grouping", read_only=True)
    model = serializers.CharField(source="model.code", read_only=True, allow_null=True, default=None)
    base_model = serializers.CharField(source="base_model.code", read_only=True, allow_null=True, default=None)
    architecture = serializers.CharField(source="config.architecture", read_only=True)
    pretrained = serializers.BooleanField(source="config.pretrained", read_only=True)
    initialisation = serializers.CharField(source="config.initialisation", read_only=True)
    epochs = serializers.IntegerField(source="config.epochs", read_only=True)
    seed = serializers.IntegerField(source="config.seed", read_only=True)
    image_size = serializers.IntegerField(source="config.image_size", read_only=True)
    plan = serializers.CharField(source="config.plan_note", read_only=True, default="")
    message = serializers.CharField(read_only=True)
    metrics = serializers.SerializerMethodField()
    mlflow_run_id = serializers.CharField(read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    training_start_date = serializers.DateTimeField(source="started_at", read_only=True, allow_null=True)
    training_end_date = serializers.DateTimeField(source="finished_at", read_only=True, allow_null=True)
    performance_metrics = serializers.SerializerMethodField()
    config = serializers.DictField(read_only=True)
    environment = serializers.DictField(read_only=True)
    inputs_sheet = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_inputs_sheet(self, run: Any) -> str | None:
        if run.inputs_sheet_id is None:
            return None
        return reverse("training-run-inputs-sheet", kwargs={"pk": run.pk}, request=self.context.get("request"))

    @extend_schema_field(serializers.ListField(child=DICT))
    def get_metrics(self, run: Any) -> list[dict[str, Any]]:
        return selectors.epochs(run)

    @extend_schema_field(DICT)
    def get_performance_metrics(self, run: Any) -> dict[str, Any]:
        return selectors.performance(run)

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        if obj.model is None:
            return None
        return {"model": obj.model.code, "performance_metrics": selectors.performance(obj)}
