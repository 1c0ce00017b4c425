"""JSON of uploads and imports: parsing and shape, no rules."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.models import Split
from images.serializers import FactsSerializer, ScanSerializer, project_field
from labeling.imports import dialects, selectors
from labeling.imports.asked import FINDING_HELP, MAX_FINDING
from labeling.models import Import, ImportFile
from mediscan_site.core.http.viewsets import JobSerializer
from mediscan_site.core.models import WorkStatus

RESULT: Final = ("created", "duplicates", "rejected", "warnings")


class UploadSerializer(FactsSerializer):
    """A file and what is known about it, flat; `metadata` may hold the same as a JSON object."""

    project = project_field()
    file = serializers.FileField()
    label = serializers.CharField(required=False, allow_blank=True)
    split = serializers.ChoiceField(choices=Split.choices, required=False, allow_null=True, allow_blank=True)
    external_id = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    metadata = serializers.JSONField(required=False)

    def validate_metadata(self, value: Any) -> dict[str, Any]:
        facts = FactsSerializer(data=value)
        facts.is_valid(raise_exception=True)
        return dict(facts.validated_data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        inner = attrs.pop("metadata", {})
        for name in inner.keys() & attrs.keys():
            if inner[name] != attrs[name]:
                detail = f"{name} is sent by itself and in metadata, with different values. Send it once."
                raise serializers.ValidationError({name: detail}, code="several_values")
        return {**inner, **attrs}


class RemarkSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class UploadedScanSerializer(ScanSerializer):
    """`duplicate`: these bytes were in the project already; this is that scan. `warnings`: what a person should look at, such
    as a file that names another patient than what is stated about it."""

    duplicate = serializers.BooleanField(read_only=True)
    warnings = RemarkSerializer(source="remarks", many=True, read_only=True)

    class Meta(ScanSerializer.Meta):
        fields = [*ScanSerializer.Meta.fields, "duplicate", "warnings"]
        read_only_fields = fields


def finding_field(**options: Any) -> Any:
    return serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_FINDING, help_text=FINDING_HELP, **options
    )


class ImportOptionsSerializer(serializers.Serializer[Any]):
    """How a ZIP is read; what is left out is as it was announced."""

    split_frames = serializers.BooleanField(required=False)
    dialect = serializers.ChoiceField(
        choices=dialects.CHOICES, required=False, help_text="How its labels files are read."
    )
    finding = finding_field()


class ImportStartSerializer(serializers.Serializer[Any]):
    """`split_frames`: each frame of a multi-frame DICOM file or page of a TIFF becomes a scan, all of one patient. `dialect`: how
    its labels files are read; `auto` finds out."""

    project = project_field()
    file = serializers.FileField()
    split_frames = serializers.BooleanField(required=False, default=False)
    dialect = serializers.ChoiceField(choices=dialects.CHOICES, required=False, default=dialects.AUTO)
    finding = finding_field(default="")


class ImportFileSerializer(serializers.ModelSerializer[ImportFile]):
    """`outcome`: created, duplicate, rejected, passed_over (what lies beside the scans of a CD), warning (next to another line of
    the same file) or note (how something was understood)."""

    image = serializers.CharField(source="image.code", read_only=True, allow_null=True, default=None)

    class Meta:
        model = ImportFile
        fields = ["path", "outcome", "code", "detail", "image"]
        read_only_fields = fields


class ImportErrorSerializer(serializers.ModelSerializer[ImportFile]):
    class Meta:
        model = ImportFile
        fields = ["path", "code", "detail"]


class ImportListSerializer(JobSerializer):
    """`paused`: queued until there is room on the disk again; `error` says so. `passed_over`: files that are neither scans nor
    mistakes, which `total` leaves out. `held`: scans that are held back now, see `hold` of a scan."""

    id = serializers.IntegerField(read_only=True)
    project = serializers.IntegerField(source="project_id", read_only=True)
    file_name = serializers.CharField(read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)
    paused = serializers.BooleanField(read_only=True)
    total = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    created = serializers.IntegerField(read_only=True)
    duplicates = serializers.IntegerField(read_only=True)
    rejected = serializers.IntegerField(read_only=True)
    warnings = serializers.IntegerField(read_only=True)
    passed_over = serializers.IntegerField(read_only=True)
    held = serializers.IntegerField(read_only=True)
    dialect = serializers.CharField(read_only=True)
    finding = serializers.CharField(read_only=True)

    class Meta:
        model = Import

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {"type": "integer"}})
    def get_result(self, obj: Any) -> dict[str, Any] | None:
        if obj.status != WorkStatus.SUCCEEDED:
            return None
        return {name: getattr(obj, name) for name in RESULT}


class ImportSerializer(ImportListSerializer):
    """`errors`: refused files and rows, and conflicts that were decided for what was there, up to 1,000."""

    errors = serializers.SerializerMethodField()

    @extend_schema_field(ImportErrorSerializer(many=True))
    def get_errors(self, obj: Import) -> Any:
        return ImportErrorSerializer(selectors.import_errors(obj)[: selectors.MAX_ERRORS], many=True).data
