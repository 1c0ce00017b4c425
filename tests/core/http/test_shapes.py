"""Rows are shown quickly, and exactly as DRF shows them."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from rest_framework import serializers
from rest_framework.test import APIRequestFactory

from images.selectors import listed, scans
from images.serializers import MetadataSerializer, ScanSerializer
from mediscan_site.core.http.shapes import QuickMixin


class Inner(QuickMixin, serializers.Serializer):
    number = serializers.IntegerField()


class Plain(serializers.Serializer):
    name = serializers.CharField(source="who.name", default=None, allow_null=True)
    told = serializers.CharField(source="who.tell")
    size = serializers.IntegerField()
    share = serializers.FloatField()
    fits = serializers.BooleanField()
    at = serializers.DateTimeField()
    left_out = serializers.CharField(source="nowhere", required=False)
    inner = Inner()
    whole = Inner(source="*")
    twice = serializers.SerializerMethodField()

    def get_twice(self, row):
        return row.size * 2


class Quick(QuickMixin, Plain):
    pass


class Shouted(str):
    pass


def row(**columns):
    values = {
        "who": SimpleNamespace(name="Ada", tell=lambda: "told"),
        "size": 3,
        "share": 0.5,
        "fits": True,
        "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "inner": SimpleNamespace(number=7),
        "number": 8,
    }
    return SimpleNamespace(**{**values, **columns})


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"who": SimpleNamespace(name=None, tell="said")},
        {"who": SimpleNamespace(name=Shouted("x"), tell="said")},
        {"size": "12", "share": 1, "fits": 1},
        {"size": None, "at": None, "inner": None},
        {"size": True},
        {"at": "2026-01-02"},
    ],
)
def test_the_same_is_shown(columns):
    if columns.get("size", 0) is None:
        columns = {**columns, "size": 0}
    made = row(**columns)
    assert dict(Quick(made).data) == dict(Plain(made).data)


def test_what_is_missing_on_the_way_is_as_the_field_says():
    class Bare(serializers.Serializer):
        name = serializers.CharField(source="who.name", default="nobody")
        other = serializers.CharField(source="who.name", allow_null=True)

    class QuickBare(QuickMixin, Bare):
        pass

    made = SimpleNamespace(who=None)
    assert dict(QuickBare(made).data) == dict(Bare(made).data) == {"name": "nobody", "other": None}


class SlowScan(ScanSerializer):
    def to_representation(self, instance):
        return serializers.Serializer.to_representation(self, instance)


@pytest.mark.django_db
def test_a_list_of_scans_is_what_drf_would_show_of_them(make_scan, colleague):
    scan = make_scan(seed=1, label="NORMAL", patient="p1")
    make_scan(seed=2)
    request = APIRequestFactory().get("/", headers={"host": "localhost"})
    context = {"request": request}
    whole = list(scans(colleague))
    assert whole
    slow = SlowScan(whole, many=True, context=context).data
    assert ScanSerializer(whole, many=True, context=context).data == slow
    assert ScanSerializer(list(listed(scans(colleague))), many=True, context=context).data == slow
    assert f"http://localhost/api/v1/images/{scan.pk}/file/" in {shown["file_url"] for shown in slow}
    metadata = MetadataSerializer(whole[0].metadata)
    assert dict(metadata.data) == dict(serializers.Serializer.to_representation(metadata, whole[0].metadata))


@pytest.mark.django_db
def test_what_a_list_shows_asks_the_database_nothing_more(make_scan, colleague, django_assert_num_queries):
    make_scan(seed=1, label="NORMAL", patient="p1")
    rows = list(listed(scans(colleague)))
    with django_assert_num_queries(0):
        assert ScanSerializer(rows, many=True, context={"request": None}).data
