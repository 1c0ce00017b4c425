"""Maintained numbers: whoever writes, and however, they are those of a real count."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, Value
from django.utils import timezone

from images import counts
from images.models import ActivityTotal, Image, ImageTag, ScanChange, ScanTotal, Tag, TagTotal
from images.selectors import project_stats, tags
from images.services import delete_scan
from labeling.models import Label
from mediscan_site.core.database import insert_all, insert_selected
from mediscan_site.core.models import Notice
from mediscan_site.core.totals import keeping
from mediscan_site.core.totals.counted import known
from mediscan_site.front.overview import trends

committed = pytest.mark.django_db(transaction=True)
STATES = (
    ("unlabeled", "pending"),
    *(("labeled", status) for status in ("pending", "approved", "rejected", "modified")),
)


def wrong() -> dict[str, list]:
    return {one.name: found for one in known() if (found := keeping.differences(one))}


@pytest.fixture
def scan(project, author):
    """A row as no service writes it; its number stands for its content."""

    def row(number: int, **columns) -> Image:
        known_facts = {"file_name": "a.png", "image_format": "PNG", "width": 1, "height": 1, "size": 1}
        digest = f"{number:064d}"
        return Image(
            project=columns.pop("into", project), uploaded_by=author, received_sha256=digest, **known_facts | columns
        )

    return row


def any_state(project, users, dice) -> dict:
    label, approval = dice.choice(STATES)
    sick = dice.choice([*project.class_rows.all(), None]) if label == "labeled" else None
    reader = dice.choice([*users, None]) if label == "labeled" else None
    shown = {"split": dice.choice([None, "train", "val", "test"]), "hold": dice.choice(["", "", "text_like_border"])}
    return {"label_status": label, "approval_status": approval, "label_class": sick, "annotator": reader, **shown}


@pytest.fixture
def scans(project, author, colleague, scan):
    dice = random.Random(1)
    insert_all([scan(number, **any_state(project, (author, colleague), dice)) for number in range(60)])
    return Image.objects.filter(project=project)


def test_numbers_are_those_of_a_count_before_and_after_they_are_folded(project, scans):
    scans.filter(hold="").order_by("pk").first().delete()
    Image.objects.filter(pk=scans.last().pk).update(erased_at=timezone.now())
    shown = scans.filter(erased_at=None)
    for _ in range(2):
        stats = project_stats(project)
        assert stats["total"] == shown.count()
        for column in ("label_status", "approval_status"):
            counted = Counter(shown.values_list(column, flat=True))
            assert {key: number for key, number in stats[column].items() if number} == counted
        named = {row.name: shown.filter(label_class=row).count() for row in project.class_rows.all()}
        assert stats["classes"] == named
        assert stats["ungradable"] == shown.filter(label_status="labeled", label_class=None).count()
        assert stats["held"] == shown.exclude(hold="").count()
        assert stats["splits"]["none"] == shown.filter(split=None).count()
        assert sum(stats["splits"].values()) == stats["total"]
        keeping.fold()
        assert not ScanChange.objects.exists()
    assert wrong() == {}


def test_every_way_to_write_many_rows_is_counted(project, author, scans, scan, admin):
    from images.services import create_project

    other = create_project(actor=admin, name="Other", classes=["A", "B"])
    Image.objects.bulk_create([scan(number) for number in range(100, 110)], ignore_conflicts=True)
    # A second time every row is refused, and none is counted.
    insert_all([scan(number) for number in range(100, 110)], ignore_conflicts=True)
    assert wrong() == {}
    columns = Image._meta.local_concrete_fields
    fields = [column.name for column in columns if not (column.primary_key or column.generated)]
    copied = scans.filter(label_class=None).values_list(
        *({"project": Value(other.pk)}.get(name, name) for name in fields)
    )
    assert insert_selected(Image, fields, copied) == project_stats(other)["total"] > 0
    scans.update(version=F("version") + 1, file_name="b.png")
    scans.filter(split=None).update(split="train")
    scans.filter(label_status="labeled").update(approval_status="approved", annotator=author)
    assert wrong() == {}
    Image.objects.filter(project=other).delete()
    assert project_stats(other)["total"] == 0
    keeping.fold()
    keeping.forget()
    assert wrong() == {} and not ScanTotal.objects.filter(number__lte=0).exists()


def test_what_is_rolled_back_was_never_counted(project, scans, scan):
    before = project_stats(project)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        scan(200).save()
        scans.update(split="test")
        _ = 1 / 0
    assert project_stats(project) == before and wrong() == {}


def test_what_services_do_is_counted(project, author, colleague, admin, make_scan):
    from labeling.reading.reviews import review_scan

    first, second = make_scan(seed=1, label="NORMAL", split="train"), make_scan(seed=2)
    review_scan(actor=colleague, image=first, status="approved")
    stats = project_stats(project)
    assert (stats["total"], stats["classes"]["NORMAL"], stats["approval_status"]["approved"]) == (2, 1, 1)
    delete_scan(actor=admin, image=second)
    assert project_stats(project)["total"] == 1
    assert wrong() == {}


def test_two_that_fold_at_once_do_it_once(project, scans, monkeypatch):
    before, taken = project_stats(project), keeping._taken
    monkeypatch.setattr(keeping, "_taken", lambda counted, keys: taken(counted, keys[1:]))
    assert keeping.fold() == 0
    monkeypatch.undo()
    assert project_stats(project) == before
    monkeypatch.setattr(keeping, "AT_ONCE", 7)
    assert keeping.fold() >= scans.count()
    assert keeping.fold() == 0
    assert project_stats(project) == before and wrong() == {}


def test_tags_are_counted(project, author, scans):
    red, blue = (Tag.objects.create(project=project, name=name, name_key=name) for name in ("red", "blue"))
    insert_all([ImageTag(image=image, tag=red, tagged_by=author) for image in scans[:9]])
    keeping.fold()
    ImageTag.objects.filter(pk__in=ImageTag.objects.values("pk")[:0]).delete()
    for row in ImageTag.objects.order_by("pk")[:4]:
        ImageTag.objects.filter(pk=row.pk).update(tag=blue)
    ImageTag.objects.filter(tag=red).first().delete()
    assert {tag.name: tag.scans for tag in tags(project)} == {"blue": 4, "red": 4}
    assert wrong() == {} and TagTotal.objects.count() == 1


def test_what_is_done_is_counted_as_long_as_a_trend_looks_back(project, author, colleague, scans):
    image, sick = scans.first(), project.class_rows.first()
    ages = [timedelta(0), timedelta(minutes=16), timedelta(days=60), counts.KEPT + timedelta(days=1)]
    for reader in (author, colleague):
        insert_all(
            [
                Label(image=image, label_class=sick, reader=reader, source=source, annotation_date=timezone.now() - age)
                for age in ages
                for source in ("doctor", "import")
            ]
        )
    assert wrong() == {}
    keeping.fold()
    assert ActivityTotal.objects.count() == 8
    keeping.forget()
    assert ActivityTotal.objects.count() == 6 and wrong() == {}
    assert timedelta(weeks=trends.WEEKS + 1) < counts.KEPT


@committed
def test_what_comes_in_without_triggers_is_told_and_counted_by_migrate(project, author, scan, caplog, capsys):
    insert_all([scan(number) for number in range(3)])
    counted = next(one for one in known() if one.name == "count_scans")
    counted.triggers.drop(connection)
    scan(10, hold="text_like_border").save()
    Image.objects.order_by("pk").first().delete()
    assert set(keeping.missing()) == {f"count_scans_{kind}" for kind in ("insert", "update", "delete")}
    assert {key[5]: number for key, number in keeping.differences(counted)} == {"": -1, "text_like_border": 1}
    keeping.watch()
    assert "count_scans_insert" in Notice.objects.get(key=keeping.NOTICE).sentence
    call_command("migrate", verbosity=0)
    keeping.watch()
    assert keeping.missing() == [] and not Notice.objects.filter(key=keeping.NOTICE).exists()
    assert wrong() == {} and project_stats(project)["held"] == 1 and "were made again" in caplog.text
    scan(11).save()
    assert project_stats(project)["total"] == 4


@committed
def test_a_number_that_is_wrong_is_mended_and_logged(project, scan, caplog, capsys):
    insert_all([scan(number) for number in range(3)])
    keeping.fold()
    ScanTotal.objects.update(number=7)
    call_command("check_totals")
    assert project_stats(project)["total"] == 3
    assert "count_scans: 1 numbers were wrong and are mended" in capsys.readouterr().out
    assert "count_scans were wrong" in caplog.text
    call_command("check_totals")
    assert "totals: ok" in capsys.readouterr().out


@committed
def test_a_migration_finds_no_trigger_that_names_its_columns(project, scan):
    """SQLite could not rebuild the table, nor PostgreSQL change a column."""
    insert_all([scan(1)])
    keeping.before_migrate(None, connection.alias, plan=[])
    assert keeping.missing() == []
    keeping.before_migrate(None, connection.alias, plan=["one"])
    # One of which no generated column is made: that would have to go before on PostgreSQL, whatever triggers there are.
    field = Image._meta.get_field("split")
    wider = field.clone()
    wider.set_attributes_from_name("split")
    wider.model, wider.max_length = Image, 20
    with connection.schema_editor() as editor:
        editor.alter_field(Image, field, wider)
    with connection.schema_editor() as editor:
        editor.alter_field(Image, wider, field)
    call_command("migrate", verbosity=0)
    assert keeping.missing() == [] and wrong() == {}


@committed
def test_below_its_migration_nothing_is_counted(project, scan):
    """An older state of the tables has nowhere to keep numbers: no trigger may be made."""

    class Older:
        def get_model(self, app: str, name: str):
            raise LookupError

    for counted in known():
        counted.triggers.drop(connection)
    keeping.after_migrate(None, connection.alias, Older(), plan=["backwards"])
    assert len(keeping.missing()) == 3 * len(known())
    scan(1).save()
    call_command("migrate", verbosity=0)
    assert project_stats(project)["total"] == 1
