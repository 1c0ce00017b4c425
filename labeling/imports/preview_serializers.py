"""JSON of what is understood of a ZIP before it is imported."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.imports.preview import Preview
from labeling.imports.previews import preview_upload
from labeling.imports.uploads import KEPT
from labeling.models import ResumableUpload


class FileCountsSerializer(serializers.Serializer[Any]):
    """By name: `pictures` and `dicom` come in, `passed_over` lies beside them, `refused` is not read."""

    pictures = serializers.IntegerField()
    dicom = serializers.IntegerField()
    labels_files = serializers.IntegerField()
    passed_over = serializers.IntegerField()
    refused = serializers.IntegerField()


class PreviewColumnSerializer(serializers.Serializer[Any]):
    """`meaning`: image, label, split, patient, `class NAME`, a metadata column; empty where the column is not used."""

    file = serializers.CharField()
    name = serializers.CharField()
    meaning = serializers.CharField()


class PreviewClassSerializer(serializers.Serializer[Any]):
    """`known`: a class of the project; else a label or folder that is none, whose files are refused."""

    name = serializers.CharField()
    known = serializers.BooleanField()
    files = serializers.IntegerField()


class PassedOverSerializer(serializers.Serializer[Any]):
    """What lies beside the scans: `detail` says in words what it is."""

    code = serializers.CharField()
    detail = serializers.CharField()
    files = serializers.IntegerField()
    examples = serializers.ListField(child=serializers.CharField())


class PreviewProblemSerializer(PassedOverSerializer):
    """`outcome`: rejected, or warning where the scan comes in all the same."""

    outcome = serializers.CharField()


class PreviewSerializer(serializers.Serializer[Preview]):
    """What an import would do. `scans`: files that come in, as far as names tell; `splits`: scans of each side, `undecided` those
    without; `rows`: the first five as understood, patients and ids not shown."""

    dialect = serializers.CharField()
    says = serializers.CharField()
    code_page = serializers.CharField(allow_null=True)
    labels_files = serializers.ListField(child=serializers.CharField())
    scans = serializers.IntegerField()
    files = FileCountsSerializer()
    columns = PreviewColumnSerializer(many=True)
    classes = PreviewClassSerializer(many=True)
    unlabeled = serializers.IntegerField()
    splits = serializers.DictField(child=serializers.IntegerField())
    patients = serializers.IntegerField()
    rows = serializers.ListField(child=serializers.DictField(child=serializers.CharField(allow_blank=True)))
    passed_over = PassedOverSerializer(many=True)
    problems = PreviewProblemSerializer(many=True)


class HeldSerializer(serializers.Serializer[ResumableUpload]):
    """`upload`: the ZIP that waits at `uploads/{id}/` until `expires_at`."""

    upload = serializers.IntegerField(source="pk")
    expires_at = serializers.SerializerMethodField()
    preview = serializers.SerializerMethodField()

    def get_expires_at(self, obj: ResumableUpload) -> datetime:
        return obj.updated_at + KEPT

    @extend_schema_field(PreviewSerializer)
    def get_preview(self, obj: ResumableUpload) -> Any:
        return PreviewSerializer(preview_upload(actor=obj.created_by, upload=obj)).data
