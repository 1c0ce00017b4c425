"""JSON of watching, alarms and blind reads: parsing and shape, no rules. What a reader must not know is not in it."""

from typing import Any

from rest_framework import serializers

from images.policies import visible_projects
from labeling.reading.labels import MAX_REASON, parse_class
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.viewsets import JobSerializer
from models_registry import policies
from models_registry.models import Alarm, AlarmDecision, BlindRead, Watch
from models_registry.watch import alarms

_RESULT = (
    "`reference` and each of `sites`: n, the share of each class and of referrals with 95 % intervals, confidence, distance and "
    "spread (mean, median, 95th percentile; `above`: how probable it is that a grade there exceeds one of the reference), the "
    "online test (`stream`) and the last days; `labels`: what blind reads say beside the test split. Null before it has ended."
)


class WatchRequestSerializer(serializers.Serializer[Any]):
    model = CodeField(prefix="model", visible_to=policies.visible_models)


class WatchRowSerializer(JobSerializer):
    """A look at a version. `created_by` null: the nightly one."""

    id = serializers.IntegerField(read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    model = serializers.CharField(source="model.code", read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True, allow_null=True, default=None)
    created_at = serializers.DateTimeField(read_only=True)
    result = serializers.SerializerMethodField(help_text="How many grades were looked at.")

    class Meta:
        model = Watch

    def get_result(self, obj: Any) -> dict[str, Any] | None:
        return {"n": sum(site["n"] for site in obj.result["sites"])} if obj.result else None


class WatchSerializer(WatchRowSerializer):
    result = serializers.SerializerMethodField(help_text=_RESULT)

    def get_result(self, obj: Any) -> dict[str, Any] | None:
        return dict(obj.result) or None


class AlarmDecideSerializer(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(choices=AlarmDecision.Decision.choices)
    reason = serializers.CharField(max_length=4000)


class AlarmDecisionSerializer(serializers.ModelSerializer[AlarmDecision]):
    decided_by = serializers.CharField(source="decided_by.username", read_only=True)

    class Meta:
        model = AlarmDecision
        fields = ["id", "decision", "reason", "decided_by", "created_at"]
        read_only_fields = fields


class AlarmSerializer(serializers.ModelSerializer[Alarm]):
    """`rule`: what it does while open. `limit`: the capital of the online test at which it was raised; `capital`: what it had
    reached after `seen` grades. `told`: who was told."""

    project = serializers.IntegerField(source="project_id", read_only=True)
    model = serializers.CharField(source="model.code", read_only=True)
    place = serializers.SerializerMethodField()
    capital = serializers.SerializerMethodField()
    is_open = serializers.SerializerMethodField()
    told = serializers.SerializerMethodField()
    decisions = AlarmDecisionSerializer(many=True, read_only=True)

    class Meta:
        model = Alarm
        fields = [
            "id",
            "project",
            "model",
            "site",
            "place",
            "score",
            "rule",
            "limit",
            "capital",
            "seen",
            "raised_at",
            "is_open",
            "told",
            "decisions",
        ]
        read_only_fields = fields

    def get_place(self, alarm: Alarm) -> str:
        return alarms.place_name(alarm)

    def get_capital(self, alarm: Alarm) -> float:
        return alarms.capital(alarm)

    def get_is_open(self, alarm: Alarm) -> bool:
        return bool(alarm.active)

    def get_told(self, alarm: Alarm) -> list[str]:
        return [row.user.username for row in alarm.told.all()]


class BlindReadClaimSerializer(serializers.Serializer[Any]):
    project = CodeField(visible_to=visible_projects)


class BlindReadRequestSerializer(serializers.Serializer[Any]):
    """`label`, a class of the project, or `ungradable`: why nobody can tell."""

    label = serializers.CharField(  # type: ignore[assignment]  # the protocol's name
        required=False, allow_blank=True, max_length=120
    )
    ungradable = serializers.CharField(required=False, allow_blank=True, max_length=MAX_REASON)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name = attrs.pop("label", "")
        attrs["label_class"] = parse_class(self.context["project"], name) if name else None
        return attrs


class BlindReadSerializer(serializers.ModelSerializer[BlindRead]):
    """The task, and once it is done what was read and the grade it is compared with. Before that nothing names the grade."""

    project = serializers.IntegerField(source="project_id", read_only=True)
    image = serializers.CharField(source="grade.image.code", read_only=True)
    held_by = serializers.CharField(source="holder.username", read_only=True, allow_null=True, default=None)
    reader = serializers.CharField(source="reader.username", read_only=True, allow_null=True, default=None)
    label = serializers.CharField(  # type: ignore[assignment]  # the protocol's name
        source="read_class.name", read_only=True, allow_null=True, default=None
    )
    grade = serializers.SerializerMethodField()

    class Meta:
        model = BlindRead
        fields = [
            "id",
            "project",
            "image",
            "created_at",
            "held_by",
            "held_until",
            "reader",
            "read_at",
            "label",
            "ungradable_reason",
            "grade",
        ]
        read_only_fields = fields

    def get_grade(self, row: BlindRead) -> int | None:
        return row.grade_id if row.read_at else None


class BlindReadsReleasedSerializer(serializers.Serializer[Any]):
    released = serializers.IntegerField(read_only=True)
