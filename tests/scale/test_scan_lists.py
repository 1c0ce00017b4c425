"""Each filter, order and search of the list of scans finds its page by an index."""

import re
from html import unescape
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from images import few, filters, naming_index, selectors
from images.filters import ScanFilter
from images.models import Image, ImageTag, NamePart
from mediscan_site.core.http.pages import keyset_page, place_of
from tests.scale.plans import SCALE, assert_plan, measured, sorts_few
from tests.scale.test_pages import keys

pytestmark = SCALE

BY_INDEX = {
    "label": "scan_by_class",
    "label_status": "scan_by_label_status",
    "approval_status": "scan_by_approval",
    "split": "scan_by_split",
    "hold": "scan_by_hold",
    "modality": "scan_by_modality",
}
# The foreign key's own, which MySQL takes for a class of few scans.
OF_A_CLASS = "images_image_label_class_id_6b6e8f19_fk_images_projectclass_id"
SAID = {
    "label": "OPACITY",
    "label_status": "unlabeled",
    "approval_status": "rejected",
    "split": "val",
    "hold": "text_like_border",
    "modality": "mr",
}


def asking(project, user, **asked) -> ScanFilter:
    query = {"project": str(project.pk), **asked}
    return ScanFilter(query, queryset=selectors.scans(user), request=SimpleNamespace(user=user))


def listed(project, user, **asked):
    return asking(project, user, **asked).qs


def found(project, user, **asked):
    rows = listed(project, user, **asked)
    page = keyset_page(rows, ordering="-upload_date", cursor=None, size=10)
    return page, place_of(rows, "-upload_date", page)


def test_each_filter_and_order_of_scans_is_read_from_its_index(crowd, author, monkeypatch):
    monkeypatch.setattr(few, "FEW", 50)
    for name, value in SAID.items():
        known = (BY_INDEX[name], OF_A_CLASS) if sorts_few() else BY_INDEX[name]
        assert_plan(keys(listed(crowd, author, **{name: value})), index=known, sorts=250 if sorts_few() else 100)
    for order, index in (("file_name", "scan_by_name"), ("-size", "scan_by_size"), ("-updated_at", "scan_by_update")):
        assert_plan(keys(listed(crowd, author, ordering=order), order), index=index)
    index_names(crowd)
    for part in ("0001234", "chest"):
        limits = naming_index.bounds(part)
        parts = NamePart.objects.filter(project__in=[crowd.pk], code__range=limits).order_by(*naming_index.ORDER)
        assert_plan(
            parts.values_list("scan")[:51],
            index=("PRIMARY", "images_namepart_pkey", "sqlite_autoindex_images_namepart_1"),
        )


def index_names(project):
    naming_index.index_names(Image.objects.filter(project=project))
    measured(NamePart)


def test_few_are_found_before_they_are_put_in_order_and_many_in_their_order(crowd, author, monkeypatch):
    monkeypatch.setattr(few, "FEW", 60)
    index_names(crowd)
    for asked, number in (
        ({"search": "est_00012"}, 100),
        ({"search": "_0001234"}, 1),
        ({"search": "acc-125"}, 1),
        ({"search": "CHEST"}, 4000),
        ({"search": "nowhere"}, 0),
        ({"search": "9.jp"}, 400),
        ({"search": "_"}, 4000),
        ({"search": "_00012", "split": "val"}, 20),
        ({"tag": "many"}, 400),
        ({"tag": "many", "split": "val"}, 0),
        ({"updated_after": "2099-01-01T00:00:00Z"}, 0),
        ({"label_status": "unlabeled", "approval_status": "approved"}, 0),
        ({"approval_status": "rejected", "split": "val"}, 6),
        ({"modality": "ct"}, 0),
    ):
        page, (before, total) = found(crowd, author, **asked)
        assert (len(page.rows), before, total) == (min(number, 10), 0, number), asked
        assert asking(crowd, author, **asked).total in {None, number}, asked


def test_few_and_very_many_of_a_name_are_not_counted(crowd, author, monkeypatch):
    monkeypatch.setattr(few, "FEW", 450)
    monkeypatch.setattr(filters, "MOST_COUNTED", 1000)
    index_names(crowd)
    for asked, total in (
        ({"search": "CHEST"}, 1001),
        ({"search": " chest "}, 1001),
        ({"search": "_0001"}, None),
        ({"search": "chest_00012"}, 100),
        ({"search": "9.jp"}, 400),
        ({"search": "chest", "split": "val"}, None),
        ({"tag": "many", "split": "val"}, 0),
    ):
        assert asking(crowd, author, **asked).total == total, asked
        if total is not None:
            assert min(listed(crowd, author, **asked).count(), 1001) == total, asked


def test_a_name_with_the_part_twice_is_one_scan(crowd, author, monkeypatch):
    names = [
        NamePart(project=crowd, code=code, scan=scan)
        for scan in range(1, 41)
        for code in naming_index.parts_of("ab7 ab8")
    ]
    NamePart.objects.bulk_create(names)
    assert naming_index.number_named([crowd.pk], "ab", 39) > 39
    assert not naming_index.number_named([crowd.pk], "ab", 40) > 40


def test_a_list_asks_as_often_whatever_it_finds(crowd, author, monkeypatch):
    index_names(crowd)

    def queries(**asked):
        with CaptureQueriesContext(connection) as queries:
            found(crowd, author, **asked)
        return len(queries)

    assert queries(search="0001234") == queries(search="000123") <= 12
    ImageTag.objects.filter(image__in=list(Image.objects.filter(project=crowd)[:50])).delete()
    assert queries(tag="many") <= 12


def test_a_part_is_found_wherever_it_is_in_any_alphabet_and_goes_with_the_scan(make_scan, author, admin, project):
    from images.services import delete_scan

    scan = make_scan(seed=1)
    for name, parts in (
        ("IM-0001-0042.dcm", ("42", "042.d", "001-00", "im", "M-0", "dcm")),
        ("Übersicht_Ärztehaus.png", ("bersi", "rztehaus", "Übersicht")),
        ("снимок7_грудь.jpg", ("имок", "7_гр", "грудь")),
        ("胸部正面_12.png", ("部正", "正面_1")),
    ):
        naming_index.forget_name(scan)
        Image.objects.filter(pk=scan.pk).update(file_name=name)
        scan.refresh_from_db()
        naming_index.index_names([scan])
        for part in parts:
            assert [row.pk for row in found(project, author, search=part)[0].rows] == [scan.pk], part
        assert not found(project, author, search="999")[0].rows
    delete_scan(actor=admin, image=scan)
    assert not NamePart.objects.exists()


def test_an_upload_is_found_by_a_part_of_its_name(make_scan, author, project):
    scan = make_scan(seed=7)
    assert [row.pk for row in found(project, author, search="can7")[0].rows] == [scan.pk]


def test_the_number_of_a_list_is_the_kept_one_where_that_says_the_same(crowd, admin, client):
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    rows = Image.objects.filter(project=crowd)
    rejected = rows.filter(approval_status="rejected")
    for asked, fits in (
        ({}, rows),
        ({"approval_status": "rejected"}, rejected),
        ({"split": "none", "label_status": "labeled"}, rows.filter(split=None, label_status="labeled")),
        ({"hold": "held"}, rows.exclude(hold="")),
        ({"hold": "none", "split": "test"}, rows.filter(hold="", split="test")),
        ({"hold": "text_like_border"}, rows.filter(hold="text_like_border")),
        ({"label": "OPACITY"}, rows.filter(label_class__name="OPACITY")),
        ({"label": "NORMAL", "approval_status": "rejected"}, rejected.filter(label_class__name="NORMAL")),
        ({"label": "ungradable"}, rows.none()),
    ):
        filtered = asking(crowd, admin, **asked)
        assert filtered.qs.count() == filtered.kept_total == fits.count()
        page = client.get(reverse("scan_list", args=[crowd.pk]), asked)
        assert page.context["total"] == fits.count()
    tagged = asking(crowd, admin, tag="many")
    assert tagged.qs.exists() and tagged.kept_total is None


def test_scans_that_are_known_to_be_many_are_not_looked_for_first(crowd, admin, monkeypatch):
    monkeypatch.setattr(few, "FEW", 50)
    looked = []
    monkeypatch.setattr(few, "keys_of", lambda rows, *_: looked.append(rows.count()))
    for asked, is_looked_for in (
        ({"split": "val", "label_status": "unlabeled"}, False),
        ({"label": "NORMAL", "hold": "none"}, False),
        ({"label": "NORMAL", "approval_status": "rejected", "split": "val"}, True),
        ({"split": "test", "modality": "x-ray"}, True),
    ):
        looked.clear()
        assert asking(crowd, admin, **asked).qs.exists()
        assert bool(looked) == is_looked_for, asked


@pytest.mark.parametrize("said", ["label_status", "approval_status", "split", "hold", "uploaded_after"])
def test_a_page_passes_over_a_value_that_no_filter_has_and_counts_what_it_shows(crowd, admin, client, said):
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("scan_list", args=[crowd.pk]), {said: "bogus"})
    assert page.status_code == 200
    assert page.context["total"] == Image.objects.filter(project=crowd).count()


ASKED = [
    "",
    "ordering=updated_at",
    "approval_status=rejected",
    "label_status=unlabeled",
    "label=NORMAL",
    "label=NORMAL&approval_status=rejected",
    "split=val",
    "split=none&hold=none",
    "hold=held",
    "modality=mr",
    "tag=many",
    "search=000123",
    "search=est_",
]


def test_the_page_of_scans_costs_few_queries_whatever_is_asked(crowd, author, client):
    index_names(crowd)
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    for asked in ASKED:
        few_queries(client, reverse("scan_list", args=[crowd.pk]), asked)


def few_queries(client, address, asked):
    found = re.search(r'href="\?([^"]*cursor=[^"]*)"', client.get(f"{address}?{asked}").content.decode())
    further = [f"{address}?{unescape(found[1])}"] if found else []
    # Further pages also say which place they have; a filter has to find what its words name, and whether it is few.
    for page, most in ((f"{address}?{asked}", 12), *((page, 13) for page in further)):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code == 200
        assert len(queries) <= most + (3 if asked else 0), "\n".join(query["sql"] for query in queries)
