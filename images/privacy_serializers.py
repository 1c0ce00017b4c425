"""JSON of de-identification reports and of the way back to a patient."""

from typing import Any

from rest_framework import serializers

from images.models import Deidentification


class ActionSerializer(serializers.Serializer[Any]):
    tag = serializers.CharField(help_text="such as (0010,0010); ` > ` goes down into a sequence")
    keyword = serializers.CharField()
    action = serializers.ChoiceField(choices=["removed", "emptied", "replaced", "shifted", "kept"])


class DeidentificationSerializer(serializers.ModelSerializer[Deidentification]):
    """What was done to a DICOM file before it was stored. Elements only, never a value."""

    image = serializers.CharField(source="image.code", read_only=True)
    actions = ActionSerializer(many=True, read_only=True)

    class Meta:
        model = Deidentification
        fields = ["image", "profile", "actions", "created_at"]
        read_only_fields = fields


class ReidentifySerializer(serializers.Serializer[Any]):
    pseudonym = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True, help_text="kept in the audit log")


class PatientSerializer(serializers.Serializer[Any]):
    pseudonym = serializers.CharField()
    patient = serializers.CharField(help_text="the patient id as it came in")


class ErasePatientSerializer(serializers.Serializer[Any]):
    patient = serializers.CharField(allow_blank=True, help_text="the patient id as it came in, or the pseudonym")
    reason = serializers.CharField(allow_blank=True, help_text="kept in the audit log")


class ErasedSerializer(serializers.Serializer[Any]):
    erased = serializers.IntegerField(help_text="number of scans")


class MergePatientsSerializer(serializers.Serializer[Any]):
    """Each an id as it was sent, or a pseudonym."""

    source = serializers.CharField(  # type: ignore[assignment]  # the protocol's name, not where a field is read from
        help_text="whose scans become the other's"
    )
    target = serializers.CharField(help_text="who they are kept under from now on")


class MergedSerializer(serializers.Serializer[Any]):
    scans = serializers.IntegerField(help_text="how many scans went over")
