"""The made site of `seed_scale`: its rows fit together, on every database, in the block as in its copies."""

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from images.models import Image, LabelStatus, Metadata, NamePart, Project, Rendition
from images.naming_index import parts_of, scans_named
from labeling.models import ImportFile, Label, Reference, Review, SnapshotMember
from mediscan_site.core import audit
from mediscan_site.core.models import AuditEvent, AuditSeal
from mediscan_site.core.totals import keeping
from mediscan_site.front.scale import seeding
from models_registry.models import Grade, Referral

BLOCK, SCANS = 40, 120


@pytest.fixture
def seeded(monkeypatch, db):
    monkeypatch.setattr(seeding, "BLOCK", BLOCK)
    monkeypatch.setattr(seeding, "SMALL", BLOCK)
    call_command("seed_scale", scans=SCANS)
    return Project.objects.get(name=f"{SCANS:,} scans")


def test_all_tables_are_copied_and_their_rows_fit(seeded):
    scans = Image.objects.filter(project=seeded).exclude(file_name__startswith="picture")
    assert scans.count() == SCANS
    for column in ("received_sha256", "phash", "file_name", "instance"):
        assert scans.values(column).distinct().count() == SCANS
    assert Metadata.objects.filter(image__in=scans).count() == SCANS
    assert ImportFile.objects.filter(image__in=scans).count() == SCANS
    assert Rendition.objects.filter(image__in=scans).count() % SCANS == 0

    labeled = scans.filter(label_status=LabelStatus.LABELED)
    assert 0 < labeled.count() < SCANS
    assert labeled.count() == Reference.objects.filter(image__in=labeled).count()
    assert not Reference.objects.exclude(label__image=F("image")).exists()
    assert not Reference.objects.exclude(label__label_class=F("image__label_class")).exists()
    assert not Review.objects.exclude(label__image=F("image")).exists()
    assert not Review.objects.filter(reviewer=F("label__reader")).exists()
    assert not Label.objects.exclude(label_class__project=F("image__project")).exists()
    assert not Grade.objects.exclude(image__project=F("project")).exists()
    assert not Referral.objects.exclude(grade__image=F("image")).exists()
    assert SnapshotMember.objects.filter(snapshot__project=seeded, label__image=F("image")).exists()


def test_what_is_kept_beside_the_rows_is_right(seeded):
    call_command("check_queues")
    assert keeping.check() == {}
    scan = Image.objects.filter(project=seeded, file_name__endswith=".png").order_by("pk").last()
    for part in (scan.file_name[-9:-4], scan.file_name[:4]):
        assert scan.pk in scans_named([seeded.pk], part)
    parts = {part for scan in Image.objects.filter(project=seeded) for part in parts_of(scan.file_name)}
    assert set(NamePart.objects.filter(project=seeded).values_list("code", flat=True)) == parts


def test_later_copies_are_newer_and_of_other_patients(seeded):
    scans = list(Image.objects.filter(project=seeded).exclude(file_name__startswith="picture").order_by("pk"))
    assert scans == sorted(scans, key=lambda scan: scan.upload_date)
    first, last = scans[:BLOCK], scans[-BLOCK:]
    assert not {scan.patient for scan in first} & {scan.patient for scan in last}
    assert not {scan.study for scan in first} & {scan.study for scan in last}


def test_its_trail_is_sealed_and_holds(seeded):
    assert AuditEvent.objects.filter(action="scan.upload", object_type="image").count() >= SCANS
    assert AuditSeal.objects.count() == AuditEvent.objects.count()
    assert audit.verify() is None


def test_new_rows_get_keys_of_their_own(seeded):
    scan = Image.objects.filter(project=seeded).order_by("pk").last()
    label = Label.objects.create(image=scan, ungradable_reason="poor image quality", source=Label.Source.DOCTOR)
    assert label.pk == Label.objects.order_by("-pk").values_list("pk", flat=True).first()
    scan.pk, scan.received_sha256, scan.external_id = None, "0" * 64, None
    scan.save(force_insert=True)


def test_a_site_with_scans_of_its_own_is_left_alone(project):
    with pytest.raises(CommandError, match="This site has projects"):
        call_command("seed_scale", scans=10)
    assert not Image.objects.exists()
