"""JSON of projects and their classes: parsing and shape, no rules."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.models import Project, ProjectClass
from mediscan_site.core.http.numbers import NumberField


class ProjectClassSerializer(serializers.ModelSerializer[ProjectClass]):
    retired = serializers.SerializerMethodField()

    class Meta:
        model = ProjectClass
        fields = ["id", "name", "position", "retired"]

    def get_retired(self, row: ProjectClass) -> bool:
        return row.retired_at is not None


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """`classes`: the names in use, in order. `class_rows`: all of them with their stable ids."""

    classes = serializers.SerializerMethodField()
    class_rows = ProjectClassSerializer(many=True, read_only=True)
    expected_prevalence = serializers.DictField(
        child=serializers.FloatField(), read_only=True, help_text="share of each class by its id; empty when not stated"
    )

    class Meta:
        model = Project
        fields = [
            "id",
            "name",
            "classes",
            "class_rows",
            "modality",
            "four_eyes",
            "laterality_matters",
            "intended_use",
            "limitations",
            "coverage_target",
            "conformal_target",
            "expected_prevalence",
            "keep_patient_characteristics",
            "keep_institution",
            "shift_dates",
            "version",
            "created_at",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_classes(self, project: Project) -> list[str]:
        return [row.name for row in project.class_rows.all() if row.retired_at is None]


class ClassRenameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField(required=False, trim_whitespace=False)


class PrivacySerializer(serializers.Serializer[Any]):
    """What de-identification keeps of DICOM files that come in from now on."""

    keep_patient_characteristics = serializers.BooleanField(required=False, help_text="sex, age, size, weight")
    keep_institution = serializers.BooleanField(required=False)
    shift_dates = serializers.BooleanField(required=False, help_text="move a patient's dates; false removes them")


class OptionsSerializer(PrivacySerializer):
    """What a project may be told when it is made and later."""

    modality = serializers.CharField(required=False, allow_blank=True)
    four_eyes = serializers.BooleanField(required=False)
    laterality_matters = serializers.BooleanField(required=False)
    intended_use = serializers.CharField(required=False, allow_blank=True)
    limitations = serializers.CharField(required=False, allow_blank=True)
    coverage_target = NumberField(required=False)
    conformal_target = NumberField(required=False)


class ProjectPatchSerializer(OptionsSerializer):
    """`classes` (names in order) adds, orders and retires; `class_rows` renames by id."""

    name = serializers.CharField(required=False, allow_blank=True)
    classes = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False, max_length=1000)
    class_rows = ClassRenameSerializer(many=True, required=False)
    expected_prevalence = serializers.DictField(
        child=NumberField(),
        required=False,
        help_text="share of each active class, by its id, among the scans to be graded: above 0, together 1; {} for unknown",
    )


class ProjectCreateSerializer(OptionsSerializer):
    name = serializers.CharField(allow_blank=True)
    classes = serializers.ListField(child=serializers.CharField(allow_blank=True), max_length=1000)
