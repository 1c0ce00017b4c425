"""JSON of labels, reviews and leases: parsing and shape, no rules."""

from typing import Any

from rest_framework import serializers

from images.many_serializers import ScanListField
from images.serializers import ScanSerializer, project_field, scan_field
from labeling.models import Label, Lease, Review
from labeling.policies import visible_imports
from labeling.reading.queue import MAX_N, ORDERS
from mediscan_site.core.http.codes import CodeField


class LabelSerializer(serializers.ModelSerializer[Label]):
    label_id = serializers.IntegerField(source="pk", read_only=True)
    image = serializers.CharField(source="image.code", read_only=True)
    label = serializers.CharField(source="label_class.name", read_only=True, allow_null=True, default=None)
    ungradable = serializers.CharField(source="ungradable_reason", read_only=True)
    annotator = serializers.CharField(source="reader.username", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Label
        fields = [
            "id",
            "label_id",
            "image",
            "label",
            "ungradable",
            "confidence_score",
            "annotation_date",
            "annotator",
            "source",
            "round",
            "comment",
            "taken_back",
        ]
        read_only_fields = fields


class LabelCreateSerializer(serializers.Serializer[Any]):
    """Either `label` (a class) or `ungradable` (a reason)."""

    image = scan_field()
    label = serializers.CharField(required=False)
    ungradable = serializers.CharField(required=False)
    comment = serializers.CharField(required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("label" in attrs) == ("ungradable" in attrs):
            raise serializers.ValidationError({"label": "Send either label (a class) or ungradable (a reason)."})
        return attrs


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """`label`: the class that was reviewed; `new_label`: the class it was modified to."""

    review_id = serializers.IntegerField(source="pk", read_only=True)
    image = serializers.CharField(source="image.code", read_only=True)
    label = serializers.CharField(source="label.label_class.name", read_only=True, allow_null=True, default=None)
    label_id = serializers.IntegerField(read_only=True)
    new_label = serializers.CharField(
        source="new_label.label_class.name", read_only=True, allow_null=True, default=None
    )
    reviewer = serializers.CharField(source="reviewer.username", read_only=True)
    taken_back = serializers.BooleanField(source="is_taken_back", read_only=True)

    class Meta:
        model = Review
        fields = [
            "id",
            "review_id",
            "image",
            "status",
            "label",
            "label_id",
            "new_label",
            "reviewer",
            "comment",
            "scan_version",
            "created_at",
            "taken_back",
        ]
        read_only_fields = fields


class ReviewCreateSerializer(serializers.Serializer[Any]):
    """One `image`, or many: `images`, or all that an `import` created (with `expected_count`)."""

    image = scan_field(required=False)
    images = ScanListField(required=False)
    batch = CodeField(visible_to=visible_imports, required=False)
    status = serializers.ChoiceField(choices=Review.Status.choices)
    label = serializers.CharField(required=False)
    comment = serializers.CharField(required=False, allow_blank=True)
    expected_count = serializers.IntegerField(required=False, min_value=0)

    def get_fields(self) -> dict[str, Any]:
        # `import` is a Python keyword.
        fields = super().get_fields()
        return {("import" if name == "batch" else name): field for name, field in fields.items()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in ("image", "images", "import")) != 1:
            raise serializers.ValidationError({"image": "Send one of image, images and import."})
        return attrs


class ClaimSerializer(serializers.Serializer[Any]):
    project = project_field()
    task = serializers.ChoiceField(choices=Lease.Task.choices)
    n = serializers.IntegerField(required=False, default=1, min_value=1, max_value=MAX_N)
    order = serializers.ChoiceField(choices=list(ORDERS), required=False, default="oldest")


class ReleaseSerializer(serializers.Serializer[Any]):
    project = project_field()
    task = serializers.ChoiceField(choices=Lease.Task.choices, required=False)
    images = ScanListField(required=False)


class UndoSerializer(serializers.Serializer[Any]):
    project = project_field()
    task = serializers.ChoiceField(choices=Lease.Task.choices)


class LeasedScanSerializer(ScanSerializer):
    """A scan, and until when it is reserved for the caller."""

    task = serializers.CharField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)

    class Meta(ScanSerializer.Meta):
        fields = [*ScanSerializer.Meta.fields, "task", "expires_at"]
        read_only_fields = fields


class ClaimedSerializer(serializers.Serializer[Any]):
    results = LeasedScanSerializer(many=True)


class ReleasedSerializer(serializers.Serializer[Any]):
    released = serializers.IntegerField()
