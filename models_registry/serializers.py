"""JSON of versions, evaluations and deployments: parsing and shape, no rules. Classes go by name outside and by id inside."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.models import RESEARCH_USE
from images.policies import visible_projects
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.viewsets import JobSerializer
from models_registry import policies, selectors
from models_registry.models import Deployment, Evaluation, ModelVersion
from models_registry.versions import cards, graphs
from models_registry.versions.class_changes import since_training
from models_registry.versions.report import figure

DICT = serializers.DictField()
UNKNOWN = "Classes in use that it does not know: it gives their scans another class."
RETIRED = "Classes that it answers and the project has retired."
GRAPH = "Digest of the exported graph (ONNX) that serves the version; null: PyTorch serves it."
PRECISION = "fp32: PyTorch's answers (logits within 1e-4); int8: nearly so, as graph_note says; null: no graph."
# What the list of evaluations gives as the result of each.
MAIN = ("n", "accuracy", "balanced_accuracy")


class ModelSerializer(serializers.ModelSerializer[ModelVersion]):
    """A version as `selectors.versions` loads it. `metrics`: its newest evaluation, null before the first."""

    model_id = serializers.CharField(source="code", read_only=True)
    version = serializers.CharField(read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    labeled_dataset = serializers.CharField(source="snapshot.code", read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    stage = serializers.ChoiceField(choices=["candidate", "deployed", "retired"], read_only=True)
    classes = serializers.SerializerMethodField(
        help_text="Its classes in its own order, as the project calls them today."
    )
    classes_at_training = serializers.SerializerMethodField(help_text="The same, as they were called at its training.")
    unknown_classes = serializers.SerializerMethodField(help_text=UNKNOWN)
    retired_classes = serializers.SerializerMethodField(help_text=RETIRED)
    accuracy = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()
    card = serializers.SerializerMethodField()
    card_text = serializers.SerializerMethodField()
    graph_sha256 = serializers.SerializerMethodField(help_text=GRAPH)
    graph_precision = serializers.SerializerMethodField(help_text=PRECISION)
    graph_note = serializers.SerializerMethodField(
        help_text="What runs the networks, and why where it is not the graph."
    )
    research_use = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "model_id",
            "name",
            "version",
            "project",
            "architecture",
            "training_date",
            "accuracy",
            "labeled_dataset",
            "stage",
            "metrics",
            "classes",
            "classes_at_training",
            "unknown_classes",
            "retired_classes",
            "calibration",
            "card",
            "card_text",
            "created_by",
            "bundle_sha256",
            "graph_sha256",
            "graph_precision",
            "graph_note",
            "mlflow_run_id",
            "mlflow_version",
            "research_use",
        ]
        read_only_fields = fields

    def get_classes(self, model: ModelVersion) -> list[str]:
        return list(since_training(model, model.project).names)

    def get_classes_at_training(self, model: ModelVersion) -> list[str]:
        return list(since_training(model, model.project).trained)

    def get_unknown_classes(self, model: ModelVersion) -> list[str]:
        return list(since_training(model, model.project).unknown)

    def get_retired_classes(self, model: ModelVersion) -> list[str]:
        return list(since_training(model, model.project).retired)

    def get_accuracy(self, model: ModelVersion) -> float | None:
        report = selectors.latest_evaluation(model)
        return figure(report.metrics, "accuracy") if report else None

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_metrics(self, model: ModelVersion) -> dict[str, Any] | None:
        return cards.report(selectors.latest_evaluation(model))

    @extend_schema_field(DICT)
    def get_card(self, model: ModelVersion) -> dict[str, Any]:
        return cards.card(model, selectors.latest_evaluation(model))

    def get_card_text(self, model: ModelVersion) -> str:
        return cards.text(model, selectors.latest_evaluation(model))

    def get_graph_sha256(self, model: ModelVersion) -> str | None:
        row = graphs.of(model)
        return row.sha256 if row and row.sha256 else None

    @extend_schema_field(serializers.ChoiceField(choices=["fp32", "int8"], allow_null=True))
    def get_graph_precision(self, model: ModelVersion) -> str | None:
        return graphs.precision(model)

    def get_graph_note(self, model: ModelVersion) -> str:
        return graphs.sentence(model)

    def get_research_use(self, model: ModelVersion) -> str:
        return RESEARCH_USE


class EvaluationRequestSerializer(serializers.Serializer[Any]):
    dataset = CodeField(prefix="dataset", visible_to=policies.visible_snapshots, required=False, allow_null=True)


class EvaluationSerializer(JobSerializer):
    id = serializers.IntegerField(read_only=True)
    model = serializers.CharField(source="model.code", read_only=True)
    project = serializers.IntegerField(source="model.project_id", read_only=True)
    dataset = serializers.CharField(source="snapshot.code", read_only=True)
    grouping = serializers.CharField(source="snapshot.grouping", read_only=True)
    origin = serializers.ChoiceField(choices=Evaluation.Origin.choices, read_only=True)
    metrics = serializers.DictField(read_only=True)
    test_reads = serializers.IntegerField(read_only=True, allow_null=True)
    test_version = serializers.IntegerField(source="snapshot.test_version", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = Evaluation

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        return obj.metrics or None


class EvaluationRowSerializer(EvaluationSerializer):
    """A line of the list: `metrics` without the points of curves, and of `result` the main figures. A page of whole reports,
    each twice, would be megabytes; a single evaluation is given in full."""

    metrics = serializers.SerializerMethodField()  # type: ignore[assignment]  # a part of the same field

    @extend_schema_field(DICT)
    def get_metrics(self, evaluation: Evaluation) -> dict[str, Any]:
        return {name: value for name, value in evaluation.metrics.items() if name != "curves"}

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        return {name: obj.metrics[name] for name in MAIN if name in obj.metrics} or None


class DeployRequestSerializer(serializers.Serializer[Any]):
    override_reason = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class RollbackRequestSerializer(serializers.Serializer[Any]):
    project = CodeField(visible_to=visible_projects)


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    """`previous`: the version a rollback would restore."""

    model = serializers.CharField(source="model.code", read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    previous = serializers.CharField(source="previous.model.code", read_only=True, allow_null=True, default=None)
    gate = serializers.DictField(read_only=True)
    deployed_by = serializers.CharField(source="deployed_by.username", read_only=True)

    class Meta:
        model = Deployment
        fields = ["id", "model", "project", "kind", "previous", "gate", "override_reason", "deployed_by", "created_at"]
        read_only_fields = fields
