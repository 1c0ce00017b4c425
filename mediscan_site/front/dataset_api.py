"""A data set in the API with what only the roof knows about it: how often its test set was read."""

from rest_framework import serializers

from labeling.datasets.api import DatasetViewSet
from labeling.datasets.serializers import DatasetListSerializer, DatasetSerializer
from labeling.models import Snapshot
from models_registry.versions.fairness import test_reads


class ReadDatasetSerializer(DatasetSerializer):
    """`test_reads`: readings of this test set by any version, through any data set that has it."""

    test_reads = serializers.SerializerMethodField()

    class Meta(DatasetSerializer.Meta):
        fields = [*DatasetSerializer.Meta.fields, "test_reads"]
        read_only_fields = fields

    def get_test_reads(self, snapshot: Snapshot) -> int:
        return test_reads(snapshot)


class ReadCountDatasetViewSet(DatasetViewSet):
    def get_serializer_class(self) -> type[DatasetListSerializer]:
        return DatasetListSerializer if self.action == "list" else ReadDatasetSerializer
