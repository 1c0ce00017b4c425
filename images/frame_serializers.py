"""JSON of the frames of a scan."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from images.frames import STRIP, Strip
from images.models import MOST_FRAMES, FrameSource


class StripQuerySerializer(serializers.Serializer[Any]):
    first = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text=f"List {STRIP} frames from this one on; without it {STRIP} that are spread evenly.",
    )


class FrameChoiceSerializer(serializers.Serializer[Any]):
    frames = serializers.ListField(
        child=serializers.IntegerField(),
        max_length=10_000,
        help_text=f"Numbers from 1, at most {MOST_FRAMES}; none: as the project's `frames_seen` says.",
    )


class FrameSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    chosen = serializers.BooleanField()
    url = serializers.URLField()
    thumbnail_url = serializers.URLField()


class StripSerializer(serializers.Serializer[Strip]):
    """`chosen`: the frames that are looked at when the scan is graded and learned from; empty where it has one frame, and where
    nobody has said which (`chosen_how` is `nobody`)."""

    image = serializers.CharField(source="image.code")
    frames = serializers.IntegerField(
        source="image.frames_shown", help_text="how many can be shown; 1 of an animation, and of a slide"
    )
    chosen = serializers.ListField(child=serializers.IntegerField(), source="looked.frames")
    chosen_how = serializers.ChoiceField(choices=FrameSource.choices, source="looked.source")
    chosen_by = serializers.CharField(source="looked.by", allow_null=True)
    chosen_at = serializers.DateTimeField(source="looked.at", allow_null=True)
    version = serializers.IntegerField(source="image.version")
    shown = serializers.SerializerMethodField()

    @extend_schema_field(FrameSerializer(many=True))
    def get_shown(self, strip: Strip) -> list[dict[str, Any]]:
        return [self._frame(strip, number) for number in strip.shown]

    def _frame(self, strip: Strip, number: int) -> dict[str, Any]:
        place = {"pk": strip.image.pk, "number": number}
        url = reverse("image-frame", kwargs=place, request=self.context.get("request"))
        chosen = number in strip.looked.frames
        return {"number": number, "chosen": chosen, "url": url, "thumbnail_url": f"{url}?size=thumbnail"}
