"""JSON of projects and their classes: parsing and shape, no rules."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.models import Project, ProjectClass
from images.project_options import OPTIONS, PLAIN, Option
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
            *OPTIONS,
            "version",
            "created_at",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_classes(self, project: Project) -> list[str]:
        return [row.name for row in project.class_rows.all() if row.retired_at is None]


class ClassRenameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField(required=False, trim_whitespace=False)


def _option_field(option: Option) -> serializers.Field[Any, Any, Any, Any]:
    options: dict[str, Any] = {"required": False, "help_text": option.api_help}
    if option.kind == "flag":
        return serializers.BooleanField(**options)
    if option.kind == "years":
        return NumberField(allow_null=True, **options)
    if option.kind == "choice":
        return serializers.ChoiceField(choices=cast(Any, Project._meta.get_field(option.name)).choices, **options)
    if option.kind == "number":
        return serializers.IntegerField(**options)
    return NumberField(**options) if option.kind == "share" else serializers.CharField(allow_blank=True, **options)


class OptionsSerializer(serializers.Serializer[Any]):
    """What a project may be told when it is made and later."""

    def get_fields(self) -> dict[str, Any]:
        options = sorted(PLAIN.values(), key=lambda option: not option.deidentifies)
        return {**{option.name: _option_field(option) for option in options}, **super().get_fields()}


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
