"""JSON of a project's labelling guide: parsing and shape, no rules."""

from typing import Any

from rest_framework import serializers

from images.models import GuideExample, Project
from images.serializers import scan_field


class GuideExampleSerializer(serializers.ModelSerializer[GuideExample]):
    image = serializers.CharField(source="image.code", read_only=True)
    label = serializers.CharField(source="label_class.name", read_only=True)
    added_by = serializers.CharField(source="added_by.username", read_only=True)

    class Meta:
        model = GuideExample
        fields = ["id", "image", "label", "caption", "added_by", "added_at"]
        read_only_fields = fields


class GuideSerializer(serializers.Serializer[Project]):
    """`text`: paragraphs; `version`: the project's, for If-Match."""

    text = serializers.CharField(source="guide", read_only=True)
    version = serializers.IntegerField(read_only=True)
    examples = GuideExampleSerializer(many=True, read_only=True)


class GuideWriteSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(allow_blank=True, trim_whitespace=False)


class GuideExampleAddSerializer(serializers.Serializer[Any]):
    image = scan_field()
    label = serializers.CharField()
    caption = serializers.CharField(required=False, allow_blank=True)
