"""JSON of many scans at once, and of tags."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.models import SCAN_PREFIX, Image, Split, Tag
from images.policies import visible_scans
from images.services.many import MOST_AT_ONCE, Done
from images.services.tags import LONGEST, MOST_IN_A_CALL
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.codes import CODE, parse_code


@extend_schema_field({"type": "array", "items": CODE})
class ScanListField(serializers.Field[Any, Any, Any, Any]):
    """Scans by key or code, found with one query. One that the caller cannot see refuses the whole list."""

    default_error_messages = {
        "not_a_list": "Send a list of scans.",
        "max_length": "Send at most {max_length} scans at once.",
        "does_not_exist": "The scan {value} does not exist.",
    }

    def to_internal_value(self, data: Any) -> list[Image]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if len(data) > MOST_AT_ONCE:
            self.fail("max_length", max_length=MOST_AT_ONCE)
        keys = [self._key(value) for value in data]
        user = self.context["request"].user
        images = {image.pk: image for image in visible_scans(user).filter(pk__in=keys).select_related("project")}
        for key, value in zip(keys, data, strict=True):
            if key not in images:
                self.fail("does_not_exist", value=value)
        return [images[key] for key in dict.fromkeys(keys)]

    def _key(self, value: Any) -> int:
        try:
            return parse_code(SCAN_PREFIX, value)
        except Invalid:
            self.fail("does_not_exist", value=str(value)[:40])


class ChangesSerializer(serializers.Serializer[Any]):
    split = serializers.ChoiceField(choices=Split.choices, required=False, allow_null=True)
    use_for_training = serializers.BooleanField(required=False)


class ChangeManySerializer(serializers.Serializer[Any]):
    """At most 1,000 scans. `expected_count`: with another number of scans nothing is done."""

    images = ScanListField()
    changes = ChangesSerializer()
    expected_count = serializers.IntegerField(required=False, min_value=0)


class DoneSerializer(serializers.Serializer[Done]):
    """`version`: the one the scan has now."""

    image = serializers.CharField(source="image.code")
    ok = serializers.BooleanField()
    version = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ManyDoneSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    results = DoneSerializer(many=True)


def told(results: list[Done]) -> Any:
    """The answer of a call about many scans."""
    done = {"count": len(results), "succeeded": sum(result.ok for result in results), "results": results}
    return ManyDoneSerializer(done).data


def _names() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=LONGEST), max_length=MOST_IN_A_CALL, required=False, default=list
    )


class TagChangeSerializer(serializers.Serializer[Any]):
    add = _names()
    remove = _names()


class TagManySerializer(TagChangeSerializer):
    """Of at most 1,000 scans of one project."""

    images = ScanListField()
    expected_count = serializers.IntegerField(required=False, min_value=0)


class ScanTagsSerializer(serializers.Serializer[Any]):
    image = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())


class TagSerializer(serializers.ModelSerializer[Tag]):
    """`scans`: on how many."""

    scans = serializers.IntegerField(read_only=True)

    class Meta:
        model = Tag
        fields = ["id", "name", "scans", "created_at"]
        read_only_fields = fields


class TagPatchSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST)
