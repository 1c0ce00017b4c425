"""Studies of several patients are found by what is noted of them, however many scans a project has."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images import mixed_studies
from images.models import Image, MixedStudy, Project
from labeling.datasets import selectors
from labeling.models import Label, Snapshot, SnapshotMember
from mediscan_site.core.database import insert_all
from tests.scale.conftest import _scan
from tests.scale.plans import SCALE, assert_plan, measured

pytestmark = SCALE
BY_STUDY = "scan_by_study_of"
# PostgreSQL may rather sort the few scans that it expects in a study than read them in the index's order.
A_STUDY = 100


@pytest.fixture
def frozen(crowd, author) -> Snapshot:
    """A data set of 2,000 members of the crowd, in which two patients meet in every hundredth study."""
    scans = list(Image.objects.filter(project=crowd).order_by("pk"))
    for image in scans[:: len(scans) // 5]:
        Image.objects.filter(pk=image.pk).update(patient="P" + "N" * 16)
    mixed_studies.check()
    snapshot = Snapshot.objects.create(
        project=crowd, content_hash="0" * 64, grouping="patient", classes=[], class_counts={}, created_by=author
    )
    label = Label.objects.create(image=scans[0], label_class=crowd.class_rows.first(), source=Label.Source.DOCTOR)
    about = {"snapshot": snapshot, "label": label, "label_class": label.label_class, "split": "train"}
    insert_all([SnapshotMember(**about, image=image, sha256=image.sha256, group="g") for image in scans[:2000]])
    measured(Image, MixedStudy, SnapshotMember)
    return snapshot


def test_what_is_noted_is_looked_at_anew_by_an_index(frozen):
    noted = mixed_studies.mixed(MixedStudy.objects.filter(project=frozen.project_id)).values_list("study")
    assert noted.count() == 5
    assert_plan(noted, index=BY_STUDY, sorts=A_STUDY)
    # Of one study with all the scans, too, the first and the last patient are asked for.
    Image.objects.filter(project=frozen.project_id).update(study="ST" + "A" * 16)
    mixed_studies.check()
    measured(Image, MixedStudy)
    assert_plan(noted, index=BY_STUDY, sorts=A_STUDY)


def test_what_a_new_scan_does_to_its_study_is_asked_of_an_index(frozen):
    scan = Image.objects.filter(project=frozen.project_id).order_by("pk").last()
    mixed = mixed_studies.mixed(Image.objects.filter(pk__in=[scan.pk])).values_list("study")
    assert_plan(mixed, index=BY_STUDY, sorts=A_STUDY)


def test_members_of_the_patients_are_found_from_these(frozen):
    (first, *_), *_ = selectors.studies_of_several(frozen.project).values()
    assert_plan(selectors.members_of(frozen, [first, "P" + "N" * 16]).values_list("patient"), index="scan_by_patient")


def test_a_page_asks_as_many_questions_and_groups_no_scans_when_there_are_twice_as_many(frozen, author):
    def asked() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert len(selectors.doubtful_studies(frozen)) > 1
        return [query["sql"] for query in queries]

    before = asked()
    project = Project.objects.get(pk=frozen.project_id)
    insert_all([_scan(project, author, list(project.class_rows.all()), number) for number in range(10_000, 14_000)])
    after = asked()
    assert len(before) == len(after) <= 4
    assert not [sql for sql in after if "GROUP BY" in sql]
