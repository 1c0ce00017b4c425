"""JSON of referred scans. While one waits, neither the reason nor the prediction is in it: the doctor reads first."""

from functools import cached_property
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.policies import visible_projects
from labeling.reading.labels import parse_class
from labeling.reading.queue import MAX_N
from mediscan_site.core.http.codes import CodeField
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import Grade, Referral, ReferralRead
from models_registry.selectors import refer_reasons
from models_registry.worklists import selectors
from models_registry.worklists.policies import visible_referrals

WAITING, CLOSED = "waiting", "closed"
_AFTER = "The newest grade that referred the scan; null until somebody has read it."
_BECAME = "The label that it became; null when the scan had it already, or an administrator decides (`held_for_admin`)."
_REASONS = "Why the model gave it back, as codes. " + " ".join(
    f"`{reason}`: {reason.sentence}" for reason in ReferReason
)


class TaskSerializer(serializers.ModelSerializer[Referral]):
    project = serializers.IntegerField(source="project_id", read_only=True)
    image = serializers.CharField(source="image.code", read_only=True)
    state = serializers.SerializerMethodField()
    holder = serializers.SerializerMethodField()
    expires_at = serializers.SerializerMethodField()

    class Meta:
        model = Referral
        fields = ["id", "project", "image", "state", "opened_at", "holder", "expires_at", "closed_at", "outcome"]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=[WAITING, CLOSED]))
    def get_state(self, referral: Referral) -> str:
        return WAITING if referral.active else CLOSED

    def get_holder(self, referral: Referral) -> str | None:
        return referral.holder.username if referral.holder and selectors.is_held(referral) else None

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_expires_at(self, referral: Referral) -> Any:
        shown = referral.expires_at if selectors.is_held(referral) else None
        return serializers.DateTimeField().to_representation(shown) if shown else None


class OwnReadResultSerializer(serializers.Serializer[ReferralRead]):
    read_by = serializers.CharField(source="reader.username", read_only=True, allow_null=True)
    reading = serializers.CharField(source="label_class.name", read_only=True, allow_null=True, default=None)
    ungradable = serializers.CharField(source="ungradable_reason", read_only=True)
    comment = serializers.CharField(read_only=True)
    label = serializers.IntegerField(  # type: ignore[assignment]  # the protocol's name
        source="label_id", read_only=True, allow_null=True, help_text=_BECAME
    )
    held_for_admin = serializers.BooleanField(read_only=True)
    read_at = serializers.DateTimeField(source="created_at", read_only=True, allow_null=True)

    class Meta:
        model = ReferralRead


class OpinionSerializer(serializers.Serializer[Grade]):
    grade = serializers.IntegerField(source="pk", read_only=True, allow_null=True, help_text=_AFTER)
    model = serializers.CharField(source="model.code", read_only=True, allow_null=True)
    prediction = serializers.CharField(source="prediction.name", read_only=True, allow_null=True, default=None)
    confidence = serializers.FloatField(read_only=True, allow_null=True)
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=_REASONS)
    sentences = serializers.SerializerMethodField(help_text="The same for a doctor, each with what helps.")

    class Meta:
        model = Grade

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_sentences(self, grade: Grade) -> list[str]:
        return [f"{reason.sentence} {reason.remedy}" for reason in refer_reasons(grade)]


class ReferralSerializer(OpinionSerializer, OwnReadResultSerializer, TaskSerializer):
    """A scan that a model gave back. `holder` has it open until `expires_at`. What was read (`read_by` to `read_at`) and what the
    model thought (`grade` to `sentences`) are empty while it waits: the doctor reads first."""

    @cached_property
    def _parts(self) -> "tuple[TaskSerializer, OwnReadResultSerializer, OpinionSerializer]":
        return TaskSerializer(), OwnReadResultSerializer(), OpinionSerializer()

    def get_fields(self) -> dict[str, Any]:
        task, read, opinion = self._parts
        return {**task.get_fields(), **read.get_fields(), **opinion.get_fields()}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        task, read, opinion = self._parts
        known = getattr(instance, "read", None)
        return {
            **task.to_representation(instance),
            **(read.to_representation(known) if known else _NOT_READ),
            **(_NOT_TOLD if instance.active else opinion.to_representation(instance.grade)),
        }


_NOT_READ: Final[dict[str, Any]] = {
    **dict.fromkeys(OwnReadResultSerializer().fields),
    "ungradable": "",
    "comment": "",
    "held_for_admin": False,
}
_NOT_TOLD: Final[dict[str, Any]] = {**dict.fromkeys(OpinionSerializer().fields), "reasons": [], "sentences": []}


class ReferralClaimSerializer(serializers.Serializer[Any]):
    project = CodeField(visible_to=visible_projects)
    n = serializers.IntegerField(required=False, default=1, min_value=1, max_value=MAX_N)


class ReferralsClaimedSerializer(serializers.Serializer[Any]):
    results = ReferralSerializer(many=True)


class ReferralReleaseSerializer(serializers.Serializer[Any]):
    """`referrals`: which; without it all that the caller holds in the project."""

    project = CodeField(visible_to=visible_projects)
    referrals = serializers.ListField(child=CodeField(visible_to=visible_referrals), required=False, max_length=100)


class OwnReadSerializer(serializers.Serializer[Any]):
    """`label`, a class, or `ungradable`, a reason."""

    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the protocol's name
    ungradable = serializers.CharField(required=False, max_length=200)
    comment = serializers.CharField(required=False, allow_blank=True, max_length=4000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("label" in attrs) == ("ungradable" in attrs):
            raise serializers.ValidationError({"label": "Send either label or ungradable."})
        name = attrs.pop("label", None)
        return {**attrs, "label_class": parse_class(self.context["project"], name) if name else None}
