"""JSON of frozen data sets."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from images.serializers import project_field
from labeling import policies
from labeling.datasets import selectors
from labeling.datasets.comparison import Diff
from labeling.models import Snapshot, SnapshotLeftOut, SnapshotMember
from mediscan_site.core.http.codes import CodeField

INLINE_MEMBERS = 2000
FRAMES = "of a scan of several frames those that are looked at, from 1; empty: it has one"
PAIR = serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2)


class DatasetMemberSerializer(serializers.ModelSerializer[SnapshotMember]):
    image = serializers.CharField(source="image.code", read_only=True)
    label = serializers.CharField(source="label_class.name", read_only=True)
    label_id = serializers.IntegerField(read_only=True)
    frames = serializers.ListField(child=serializers.IntegerField(), read_only=True, help_text=FRAMES)

    class Meta:
        model = SnapshotMember
        fields = ["id", "image", "label", "label_id", "split", "group", "sha256", "frames"]
        read_only_fields = fields


class LeftOutSerializer(serializers.ModelSerializer[SnapshotLeftOut]):
    scan = serializers.CharField(source="image.code", read_only=True)

    class Meta:
        model = SnapshotLeftOut
        fields = ["scan", "reason", "detail"]
        read_only_fields = fields


class DatasetListSerializer(serializers.ModelSerializer[Snapshot]):
    dataset_id = serializers.CharField(source="code", read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    classes = serializers.SerializerMethodField()
    split = serializers.SerializerMethodField()
    member_count = serializers.SerializerMethodField()
    members_url = serializers.SerializerMethodField()
    manifest_url = serializers.SerializerMethodField()
    export_url = serializers.SerializerMethodField()
    erased = serializers.IntegerField(
        read_only=True, help_text="members that have since been erased: re-training is advised"
    )
    grouped_by = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="how many scans are bound by what"
    )
    created_by = serializers.CharField(source="created_by.username", read_only=True)

    class Meta:
        model = Snapshot
        fields = [
            "id",
            "dataset_id",
            "project",
            "content_hash",
            "test_hash",
            "test_version",
            "grouping",
            "grouped_by",
            "seed",
            "classes",
            "split",
            "class_counts",
            "member_count",
            "erased",
            "members_url",
            "manifest_url",
            "export_url",
            "created_by",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_classes(self, snapshot: Snapshot) -> list[str]:
        return [entry["name"] for entry in snapshot.classes]

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_split(self, snapshot: Snapshot) -> dict[str, int]:
        return selectors.split_counts(snapshot)

    def get_member_count(self, snapshot: Snapshot) -> int:
        return snapshot.size

    def get_members_url(self, snapshot: Snapshot) -> str:
        return reverse("dataset-members", kwargs={"pk": snapshot.pk}, request=self.context.get("request"))

    def get_manifest_url(self, snapshot: Snapshot) -> str:
        return reverse("dataset-manifest", kwargs={"pk": snapshot.pk}, request=self.context.get("request"))

    def get_export_url(self, snapshot: Snapshot) -> str:
        return reverse("dataset-export", kwargs={"pk": snapshot.pk}, request=self.context.get("request"))


class DisagreementSerializer(serializers.Serializer[Any]):
    """Two members that look the same (confirmed near-duplicates) and have different labels."""

    images = serializers.SerializerMethodField()
    labels = serializers.SerializerMethodField()

    @extend_schema_field(PAIR)
    def get_images(self, pair: selectors.Disagreement) -> list[str]:
        return [pair.first.image.code, pair.second.image.code]

    @extend_schema_field(PAIR)
    def get_labels(self, pair: selectors.Disagreement) -> list[str]:
        return [pair.first.label_class.name, pair.second.label_class.name]


class DoubtfulStudySerializer(serializers.Serializer[Any]):
    """A study that names several patients: they stay on one side until somebody merges or corrects them."""

    study = serializers.CharField()
    patients = serializers.ListField(child=serializers.CharField(), min_length=2)


class DatasetSerializer(DatasetListSerializer):
    """`members`: null when there are more than 2,000; `members_url` gives them in pages. `left_out` likewise: `manifest_url` gives
    them all."""

    members = serializers.SerializerMethodField()
    left_out = serializers.SerializerMethodField()
    disagreements = serializers.SerializerMethodField()
    doubtful_studies = serializers.SerializerMethodField()

    class Meta(DatasetListSerializer.Meta):
        fields = [*DatasetListSerializer.Meta.fields, "members", "left_out", "disagreements", "doubtful_studies"]
        read_only_fields = fields

    @extend_schema_field(DatasetMemberSerializer(many=True, allow_null=True))
    def get_members(self, snapshot: Snapshot) -> Any:
        if self.get_member_count(snapshot) > INLINE_MEMBERS:
            return None
        return DatasetMemberSerializer(selectors.snapshot_members(snapshot), many=True).data

    @extend_schema_field(LeftOutSerializer(many=True, allow_null=True))
    def get_left_out(self, snapshot: Snapshot) -> Any:
        rows = list(selectors.snapshot_left_out(snapshot)[: INLINE_MEMBERS + 1])
        return None if len(rows) > INLINE_MEMBERS else LeftOutSerializer(rows, many=True).data

    @extend_schema_field(DisagreementSerializer(many=True))
    def get_disagreements(self, snapshot: Snapshot) -> Any:
        return DisagreementSerializer(selectors.disagreements(snapshot), many=True).data

    @extend_schema_field(DoubtfulStudySerializer(many=True))
    def get_doubtful_studies(self, snapshot: Snapshot) -> Any:
        return DoubtfulStudySerializer(selectors.doubtful_studies(snapshot), many=True).data


class ClassSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class ManifestMemberSerializer(serializers.Serializer[Any]):
    image = serializers.CharField()
    sha256 = serializers.CharField()
    label = serializers.CharField()
    split = serializers.CharField()
    group = serializers.CharField()
    frames = serializers.ListField(child=serializers.IntegerField(), help_text=FRAMES)
    erased = serializers.BooleanField()


class ManifestSerializer(serializers.Serializer[Any]):
    """The shape of a manifest, for the schema: it is streamed."""

    dataset_id = serializers.CharField()
    project = serializers.IntegerField()
    content_hash = serializers.CharField()
    test_hash = serializers.CharField()
    test_version = serializers.IntegerField()
    grouping = serializers.CharField()
    grouped_by = serializers.DictField(child=serializers.IntegerField())
    seed = serializers.IntegerField()
    classes = ClassSerializer(many=True)
    split = serializers.DictField(child=serializers.IntegerField())
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    members = ManifestMemberSerializer(many=True)
    left_out = LeftOutSerializer(many=True)


class AgainstSerializer(serializers.Serializer[Any]):
    """`against`: another data set of the project, by key or code."""

    against = CodeField(prefix="dataset", visible_to=policies.visible_snapshots)

    def validate_against(self, other: Snapshot) -> Snapshot:
        if other.project_id != self.context["snapshot"].project_id:
            raise serializers.ValidationError("This data set belongs to another project.", code="does_not_exist")
        return other


class StandingSerializer(serializers.Serializer[Any]):
    image = serializers.CharField()
    label = serializers.CharField()
    split = serializers.CharField()


class RelabelledSerializer(serializers.Serializer[Any]):
    image = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class DiffSerializer(serializers.Serializer[Diff]):
    """From `against` to `dataset`. By the rules of splits `moved` is empty."""

    dataset = serializers.CharField(source="dataset.code")
    against = serializers.CharField(source="against.code")
    same_test_set = serializers.BooleanField()
    added = StandingSerializer(many=True)
    removed = StandingSerializer(many=True)
    relabelled = RelabelledSerializer(many=True)
    moved = RelabelledSerializer(many=True)
    reframed = RelabelledSerializer(many=True, help_text="scans of several frames of which others are looked at")


class FreezeSerializer(serializers.Serializer[Any]):
    project = project_field()
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)
