"""Whatever happens to scans between two data sets: no patient and no copy is on two sides, and nobody changes sides.

Everything goes through the real services: real files with real copies, real comparisons, labels, reviews, merges, erasures."""

import io
from collections import defaultdict
from functools import cache

from django.db import transaction
from django.db.models import QuerySet
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from PIL import Image as Picture

from images.models import ApprovalStatus, Image, NearDuplicate, Rendition, RenditionKind
from images.services import ScanFacts, delete_scan, known, merge_patients, update_scan
from labeling.datasets.freezing import freeze_snapshot
from labeling.imports.services import upload_scan
from labeling.models import SnapshotLeftOut, SnapshotMember
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict
from tests.conftest import CLASSES, scan_bytes

PATIENTS = [None, "ann", "bob", "cem", "dora"]
SPLITS = [None, None, None, "train", "val", "test"]
REFUSALS = {"not_enough_data", "contradictory_labels"}


@cache
def picture(seed: int, copy: int) -> bytes:
    """The same picture as it was made (0), with a comment in it (1: equal pixels), encoded again (2), at half size (3)."""
    data = scan_bytes(seed)
    if copy == 0:
        return data
    if copy == 1:
        return data[:2] + b"\xff\xfe\x00\x06copy" + data[2:]
    buffer, opened = io.BytesIO(), Picture.open(io.BytesIO(data))
    half = opened.resize((opened.width // 2, opened.height // 2))
    (opened if copy == 2 else half).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


class Project(RuleBasedStateMachine):
    """`world`: admin, author, colleague and a project with enough approved scans for a data set."""

    world: dict
    all_frozen = 0

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.placed: dict[int, str] = {}
        self.frozen = 0

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.savepoint)
        # The next world's scans have the same keys.
        known.forget()

    def scan(self, number: int) -> Image:
        scans = list(Image.objects.filter(project=self.world["project"], erased_at__isnull=True).order_by("pk"))
        return scans[number % len(scans)]

    def later(self) -> QuerySet[Image]:
        first = [image.pk for image in self.world["first"]]
        scans = Image.objects.filter(project=self.world["project"], erased_at__isnull=True)
        return scans.exclude(pk__in=first).order_by("pk")

    def approve(self, image: Image) -> None:
        if Image.objects.get(pk=image.pk).approval_status != ApprovalStatus.APPROVED:
            review_scan(actor=self.world["colleague"], image=image, status="approved")

    @rule(
        seed=st.integers(0, 5),
        copy=st.integers(0, 3),
        patient=st.sampled_from(PATIENTS),
        split=st.sampled_from(SPLITS),
        approve=st.booleans(),
    )
    def upload(self, seed: int, copy: int, patient: str | None, split: str | None, approve: bool) -> None:
        image, _ = upload_scan(
            actor=self.world["author"],
            project=self.world["project"],
            source=io.BytesIO(picture(seed, copy)),
            file_name="a.jpg",
            facts=ScanFacts(patient=patient),
            label_class=self.world["classes"][seed % 2],
            split=split,
        )
        if approve:
            self.approve(image)

    @rule(number=st.integers(0, 30), other=st.booleans())
    def label(self, number: int, other: bool) -> None:
        image = self.scan(number)
        label_scan(actor=self.world["author"], image=image, label_class=self.world["classes"][other])
        self.approve(image)

    @rule(number=st.integers(0, 30), use=st.booleans())
    def take_out_of_training(self, number: int, use: bool) -> None:
        update_scan(actor=self.world["author"], image=self.scan(number), changes={"use_for_training": use})

    @rule(number=st.integers(0, 30), patient=st.sampled_from(PATIENTS))
    def correct_the_patient(self, number: int, patient: str | None) -> None:
        update_scan(actor=self.world["author"], image=self.scan(number), changes={"patient": patient})

    @rule(first=st.integers(0, 30), second=st.integers(0, 30))
    def merge(self, first: int, second: int) -> None:
        source, target = self.scan(first).patient, self.scan(second).patient
        if source and target and source != target:
            merge_patients(actor=self.world["admin"], project=self.world["project"], source=source, target=target)

    @rule(first=st.integers(0, 30), second=st.integers(0, 30))
    def find_alike(self, first: int, second: int) -> None:
        """A comparison that comes late: both may already be in data sets."""
        one, other = sorted((self.scan(first).pk, self.scan(second).pk))
        if one != other:
            row = NearDuplicate(project=self.world["project"], first_id=one, second_id=other, distance=0, correlation=1)
            NearDuplicate.objects.bulk_create([row], ignore_conflicts=True)

    @precondition(lambda self: self.later().exists())
    @rule(number=st.integers(0, 30))
    def erase(self, number: int) -> None:
        """Not one of the first scans: without them there would be no data set."""
        scans = list(self.later())
        delete_scan(actor=self.world["admin"], image=scans[number % len(scans)])

    @rule(seed=st.integers(0, 3))
    def freeze(self, seed: int) -> None:
        try:
            snapshot = freeze_snapshot(actor=self.world["admin"], project=self.world["project"], seed=seed)
        except Conflict as refused:
            assert refused.code in REFUSALS, refused.detail
            return
        self.frozen += 1
        Project.all_frozen += 1
        sides = dict(SnapshotMember.objects.filter(snapshot=snapshot).values_list("image", "split"))
        self.nothing_on_two_sides(sides)
        left_out = SnapshotLeftOut.objects.filter(snapshot=snapshot, image__in=sides)
        assert not left_out.exists()
        for pk, side in sides.items():
            assert self.placed.setdefault(pk, side) == side, f"{pk} went from {self.placed[pk]} to {side}"

    def nothing_on_two_sides(self, sides: dict[int, str]) -> None:
        bound = defaultdict(set)
        for image in Image.objects.filter(pk__in=sides):
            bound["patient", image.patient or f"none {image.pk}"].add(sides[image.pk])
            bound["bytes", image.sha256].add(sides[image.pk])
        for tile in Rendition.objects.filter(image__in=sides, kind=RenditionKind.TILE).select_related("blob"):
            bound["tile", tile.blob.sha256].add(sides[tile.image_id])
        for pair in NearDuplicate.objects.filter(first__in=sides, second__in=sides):
            bound["pair", pair.pk] = {sides[pair.first_id], sides[pair.second_id]}
        assert all(len(found) == 1 for found in bound.values()), {k: v for k, v in bound.items() if len(v) > 1}

    @precondition(lambda self: self.frozen > 0)
    @invariant()
    def who_has_a_side_keeps_it(self) -> None:
        now = dict(Image.objects.filter(pk__in=self.placed, erased_at__isnull=True).values_list("pk", "split"))
        assert all(self.placed[pk] == side for pk, side in now.items())


def test_no_sequence_of_events_puts_a_patient_or_a_copy_on_two_sides(approved_scans, admin, author, colleague, project):
    Project.world = {
        "first": approved_scans(12, first_seed=4000),
        "admin": admin,
        "author": author,
        "colleague": colleague,
        "project": project,
        "classes": [project.class_rows.get(name=name) for name in CLASSES],
    }
    run_state_machine_as_test(
        Project,
        settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert Project.all_frozen > 10
