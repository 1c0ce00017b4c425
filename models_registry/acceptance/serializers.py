"""JSON of acceptance tests: parsing and shape, no rules."""

from typing import Any

from rest_framework import serializers

from mediscan_site.core.http.codes import CodeField
from models_registry import policies
from models_registry.acceptance import drawing, selectors, services
from models_registry.models import AcceptanceDecision, AcceptanceTest
from models_registry.versions import places

STATES = ("open", "complete", *AcceptanceDecision.Decision.values)
_FIGURES = (
    "`here` and `test_split`: n, accuracy, coverage (share answered), answered_accuracy, and sensitivity and specificity of each "
    "class, with 95 % intervals or the reason why one is not available. Null until all wanted scans are read and graded."
)


class AcceptanceRequestSerializer(serializers.Serializer[Any]):
    """`institution` as the scans name it; empty: scans that name none. `device` empty: any."""

    model = CodeField(prefix="model", visible_to=policies.visible_models)
    institution = serializers.CharField(required=False, allow_blank=True, max_length=services.NAME_LENGTH)
    device = serializers.CharField(required=False, allow_blank=True, max_length=services.NAME_LENGTH)
    wanted = serializers.IntegerField(required=False, min_value=services.FEWEST, max_value=services.MOST)


class AcceptanceDecideSerializer(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(choices=AcceptanceDecision.Decision.choices)
    reason = serializers.CharField(max_length=4000)


class AcceptanceDecisionSerializer(serializers.ModelSerializer[AcceptanceDecision]):
    decided_by = serializers.CharField(source="decided_by.username", read_only=True)

    class Meta:
        model = AcceptanceDecision
        fields = ["id", "decision", "reason", "decided_by", "created_at"]
        read_only_fields = fields


class LeftOutSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(read_only=True)
    n = serializers.IntegerField(read_only=True)
    scans = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="the first of them")


class AcceptanceRowSerializer(serializers.ModelSerializer[AcceptanceTest]):
    """A line of the list. `site` and `device` are keyed codes; `place` names them as long as some scan does."""

    project = serializers.IntegerField(source="project_id", read_only=True)
    model = serializers.CharField(source="model.code", read_only=True)
    place = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    graded = serializers.IntegerField(source="n_graded", read_only=True)
    waiting = serializers.IntegerField(source="n_waiting", read_only=True)
    failed = serializers.IntegerField(source="n_failed", read_only=True)
    decisions = AcceptanceDecisionSerializer(many=True, read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)

    class Meta:
        model = AcceptanceTest
        fields = [
            "id",
            "project",
            "model",
            "site",
            "device",
            "place",
            "wanted",
            "graded",
            "waiting",
            "failed",
            "state",
            "decisions",
            "created_by",
            "created_at",
        ]
        read_only_fields = fields

    def get_place(self, test: AcceptanceTest) -> str:
        known = selectors.place_names(test.project)
        return ", ".join(places.listed([code for code in (test.site, test.device) if code], known))

    def get_state(self, test: AcceptanceTest) -> str:
        return selectors.state(test)


class AcceptanceSerializer(AcceptanceRowSerializer):
    figures = serializers.SerializerMethodField(help_text=_FIGURES)
    left_out = serializers.SerializerMethodField(help_text="Scans of the place that cannot count, and why.")

    class Meta(AcceptanceRowSerializer.Meta):
        fields = [*AcceptanceRowSerializer.Meta.fields, "figures", "left_out"]
        read_only_fields = fields

    def get_figures(self, test: AcceptanceTest) -> dict[str, Any] | None:
        return selectors.figures(test)

    def get_left_out(self, test: AcceptanceTest) -> list[dict[str, Any]]:
        return [dict(LeftOutSerializer(row).data) for row in drawing.left_out(test)]
