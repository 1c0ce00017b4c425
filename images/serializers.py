"""JSON of members and scans: parsing and shape, no rules."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from images import policies
from images.models import SCAN_PREFIX, Image, Membership, Metadata, Split, scan_code
from images.scan_facts import EXAM_FIELDS, FACTS, METADATA_FIELDS, Fact
from images.selectors import tag_names
from images.services.duplicates import near_duplicates
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.codes import CODE, CodeField, parse_code
from mediscan_site.core.http.numbers import NumberField
from mediscan_site.core.http.shapes import BuiltOnceMixin, QuickMixin
from mediscan_site.core.models import User
from mediscan_site.core.names import name_key

# Stands for a key where an address is worked out.
ANY_KEY = "0000000000"


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """`permissions` come from the context (`granted`: codenames per user id), so that a list needs one query for all."""

    user = serializers.IntegerField(source="user_id", read_only=True)
    username = serializers.CharField(source="user.username", read_only=True)
    role = serializers.CharField(source="user.role", read_only=True)
    added_by = serializers.CharField(source="added_by.username", read_only=True)
    permissions = serializers.SerializerMethodField()

    class Meta:
        model = Membership
        fields = ["user", "username", "role", "permissions", "added_at", "added_by"]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_permissions(self, membership: Membership) -> list[str]:
        granted: dict[int, list[str]] = self.context.get("granted", {})
        return granted.get(membership.user_id, [])


@extend_schema_field(CODE)
class UserField(serializers.Field[User, Any, str, Any]):
    """An account by id or user name. For those only who manage a project: the view asks first."""

    default_error_messages = {"does_not_exist": "There is no such user.", "incorrect_type": "Give a user id or name."}

    def to_internal_value(self, data: Any) -> User:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("incorrect_type")
        users = User.objects.all()
        user = users.filter(username_key=name_key(data)).first() if isinstance(data, str) else None
        if user is None:
            try:
                user = users.filter(pk=parse_code("", data)).first()
            except Invalid:
                user = None
        if user is None:
            self.fail("does_not_exist")
        return user

    def to_representation(self, value: User) -> str:
        return value.username


class MemberAddSerializer(serializers.Serializer[Any]):
    user = UserField()


class PermissionSerializer(serializers.Serializer[Any]):
    permission = serializers.ChoiceField(choices=list(policies.PERMISSIONS))


class ResolutionSerializer(QuickMixin, BuiltOnceMixin, serializers.Serializer[Any]):
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class MetadataSerializer(QuickMixin, BuiltOnceMixin, serializers.ModelSerializer[Metadata]):
    metadata_id = serializers.IntegerField(source="pk", read_only=True)
    image = serializers.SerializerMethodField()

    class Meta:
        model = Metadata
        fields = [
            "metadata_id",
            "image",
            *METADATA_FIELDS,
        ]

    def get_image(self, metadata: Metadata) -> str:
        return scan_code(metadata.image_id)


class ScanSerializer(QuickMixin, BuiltOnceMixin, serializers.ModelSerializer[Image]):
    """A scan as lists and single answers show it. Needs what `selectors.scans` loads; asks the database nothing itself."""

    image_id = serializers.CharField(source="code", read_only=True)
    file_url = serializers.SerializerMethodField()
    thumbnail_url = serializers.SerializerMethodField()
    rendition_url = serializers.SerializerMethodField()
    resolution = ResolutionSerializer(source="*", read_only=True)
    uploaded_by = serializers.CharField(source="uploaded_by.username", read_only=True)
    annotator = serializers.CharField(source="annotator.username", read_only=True, allow_null=True, default=None)
    label = serializers.CharField(  # type: ignore[assignment]  # the protocol's name, not the caption of a field
        source="label_class.name", read_only=True, allow_null=True, default=None
    )
    project = serializers.IntegerField(source="project_id", read_only=True)
    metadata = MetadataSerializer(read_only=True)
    released_by = serializers.CharField(
        source="released_by.username", read_only=True, allow_null=True, default=None, help_text="who ended the hold"
    )
    tags = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = [
            "id",
            "image_id",
            "file_name",
            "file_url",
            "thumbnail_url",
            "rendition_url",
            "upload_date",
            "uploaded_by",
            "image_format",
            "resolution",
            "size",
            "bits",
            "frames",
            "notes",
            "modality",
            "label_status",
            "approval_status",
            "annotator",
            "project",
            "label",
            "split",
            "split_locked",
            "patient",
            *EXAM_FIELDS,
            "frame",
            "external_id",
            "use_for_training",
            "hold",
            "released_by",
            "released_at",
            "tags",
            "sha256",
            "received_sha256",
            "version",
            "updated_at",
            "metadata",
        ]
        read_only_fields = fields

    def _address(self, image: Image, part: str) -> str:
        """Worked out once for all rows: only the key differs."""
        known: dict[str, list[str]] = self.__dict__.setdefault("_addresses", {})
        if part not in known:
            whole = reverse(f"image-{part}", kwargs={"pk": ANY_KEY}, request=self.context.get("request"))
            known[part] = whole.rsplit(ANY_KEY, 1)
        before, after = known[part]
        return f"{before}{image.pk}{after}"

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_tags(self, image: Image) -> list[str]:
        return tag_names(image)

    def get_file_url(self, image: Image) -> str:
        return self._address(image, "file")

    def get_thumbnail_url(self, image: Image) -> str:
        return self._address(image, "thumbnail")

    def get_rendition_url(self, image: Image) -> str:
        return self._address(image, "rendition")


class ScanDetailSerializer(ScanSerializer):
    """A single scan. `near_duplicates`: scans of the project that show the same picture, the first 200 of them; new ones are
    found within seconds."""

    near_duplicates = serializers.SerializerMethodField()

    class Meta(ScanSerializer.Meta):
        fields = [*ScanSerializer.Meta.fields, "near_duplicates"]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_near_duplicates(self, image: Image) -> list[str]:
        return [other.code for other in near_duplicates(image)]


def _fact_field(fact: Fact) -> serializers.Field[Any, Any, Any, Any]:
    options: dict[str, Any] = {"required": False, "help_text": fact.help or None}
    if fact.kind == "number":
        return NumberField(allow_null=True, **options)
    if fact.kind == "ordinal":
        return serializers.IntegerField(allow_null=True, **options)
    if fact.choices:
        return serializers.ChoiceField(choices=fact.choices, allow_blank=True, **options)
    return serializers.CharField(allow_blank=True, allow_null=fact.kind != "text", **options)


class FactsSerializer(BuiltOnceMixin, serializers.Serializer[Any]):
    """What may be said about a scan, flat, next to its file. The rules are in `images.facts`."""

    def build_fields(self) -> dict[str, Any]:
        facts = {fact.name: _fact_field(fact) for fact in FACTS.values() if fact.kind != "pseudonym"}
        return {**facts, **super().build_fields()}


class ScanPatchSerializer(FactsSerializer):
    """Facts may stand flat or, as a GET shows them, under `metadata`."""

    metadata = FactsSerializer(required=False)
    external_id = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    split = serializers.ChoiceField(choices=Split.choices, required=False, allow_null=True, allow_blank=True)
    use_for_training = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs.pop("metadata", {}), **attrs}


def project_field() -> CodeField:
    """The `project` of a body: one the caller sees, else 400 `does_not_exist`."""
    return CodeField(visible_to=policies.visible_projects)


def scan_field(**kwargs: Any) -> CodeField:
    """The `image` of a body, by key or code."""
    return CodeField(prefix=SCAN_PREFIX, visible_to=policies.visible_scans, **kwargs)
