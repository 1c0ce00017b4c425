"""JSON of agreement, of readers, of scans to adjudicate and of gold scans."""

from typing import Any

from rest_framework import serializers

from images.serializers import scan_field
from labeling.agreement import intervals, measuring, readers
from labeling.models import GoldScan, Read


class AgreementFigureSerializer(serializers.Serializer[intervals.Figure]):
    """A value between its ends (95 %, drawn by patients, scans where none is known), over `n` scans. null: not available, `why`."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    why = serializers.CharField(allow_blank=True)


class ClassAgreementSerializer(serializers.Serializer[measuring.ClassFigure]):
    label = serializers.CharField(source="name")  # type: ignore[assignment]
    reads = serializers.IntegerField()
    kappa = AgreementFigureSerializer()


class PairAgreementSerializer(serializers.Serializer[measuring.NamedPair]):
    """`asymptotic`: the interval of Fleiss, Cohen and Everitt, which takes scans for independent. `confusion`: rows as the first
    reader said, columns as the second, in the order of `labels`. A name is empty where the caller may not know it."""

    readers = serializers.ListField(child=serializers.CharField(allow_blank=True))
    percent = AgreementFigureSerializer(source="pair.percent")
    kappa = AgreementFigureSerializer(source="pair.kappa")
    asymptotic = serializers.ListField(child=serializers.FloatField(), source="pair.asymptotic", allow_null=True)
    confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), source="pair.confusion"
    )


class OwnAgreementSerializer(serializers.Serializer[measuring.Own]):
    reader = serializers.CharField()
    agreed = AgreementFigureSerializer(source="figure")


class AgreementSerializer(serializers.Serializer[measuring.Agreement]):
    """`percent`: agreeing pairs of reads; `repeats`: with oneself, on scans given again; `gold`: with known labels. `sampled`:
    there may be more reads, of which the newest were measured."""

    weights = serializers.CharField()
    scans = serializers.IntegerField()
    reads = serializers.IntegerField()
    patients = serializers.IntegerField()
    labels = serializers.ListField(child=serializers.CharField(), source="names")
    percent = AgreementFigureSerializer()
    fleiss = AgreementFigureSerializer()
    classes = ClassAgreementSerializer(many=True)
    pairs = PairAgreementSerializer(many=True)
    repeats = OwnAgreementSerializer(many=True)
    gold = OwnAgreementSerializer(many=True)
    sampled = serializers.BooleanField()


class ReaderSerializer(serializers.Serializer[readers.Reader]):
    username = serializers.CharField()
    labels = serializers.IntegerField()
    reads = serializers.IntegerField()
    timed = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    reference = AgreementFigureSerializer()
    reviewed = serializers.IntegerField()
    rejected = serializers.IntegerField()
    modified = serializers.IntegerField()
    repeats = AgreementFigureSerializer()
    gold = AgreementFigureSerializer()


# A table has no rows within rows.
READER_COLUMNS = (
    "username",
    "labels",
    "reads",
    "timed",
    "median_seconds",
    "reviewed",
    "rejected",
    "modified",
    *(f"{name}_{part}" for name in ("reference", "repeats", "gold") for part in ("value", "low", "high", "n")),
)


def reader_row(row: dict[str, Any]) -> list[Any]:
    """The columns of one reader, from what `ReaderSerializer` gives."""
    parts = (name.rpartition("_") for name in READER_COLUMNS)
    return [
        row[name] if name in row else row[figure][part]
        for name, (figure, _, part) in zip(READER_COLUMNS, parts, strict=True)
    ]


class ReadOpinionSerializer(serializers.Serializer[Read]):
    """One of the reads of a scan: readers are A, B and so on."""

    reader = serializers.CharField(source="letter")
    label = serializers.CharField(  # type: ignore[assignment]
        source="label.label_class.name", allow_null=True, default=None
    )
    ungradable = serializers.CharField(source="label.ungradable_reason")
    comment = serializers.CharField(source="label.comment")


class ReadDisagreementSerializer(serializers.Serializer[Any]):
    image = serializers.CharField()
    version = serializers.IntegerField()
    reads = ReadOpinionSerializer(many=True)


class AdjudicateSerializer(serializers.Serializer[Any]):
    """Either `label` (a class) or `ungradable` (a reason), and why it is that."""

    image = scan_field()
    label = serializers.CharField(required=False)  # type: ignore[assignment]
    ungradable = serializers.CharField(required=False)
    reason = serializers.CharField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("label" in attrs) == ("ungradable" in attrs):
            raise serializers.ValidationError({"label": "Send either label (a class) or ungradable (a reason)."})
        return attrs


class GoldScanSerializer(serializers.ModelSerializer[GoldScan]):
    image = serializers.CharField(source="image.code", read_only=True)
    label = serializers.CharField(source="image.label_class.name", read_only=True, allow_null=True, default=None)  # type: ignore[assignment]
    marked_by = serializers.CharField(source="marked_by.username", read_only=True)

    class Meta:
        model = GoldScan
        fields = ["image", "label", "marked_by", "marked_at"]
        read_only_fields = fields


class GoldMarkSerializer(serializers.Serializer[Any]):
    image = scan_field()
    gold = serializers.BooleanField(required=False, default=True)


class GoldMarkedSerializer(serializers.Serializer[Any]):
    image = serializers.CharField()
    gold = serializers.BooleanField()
