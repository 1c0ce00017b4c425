"""Tables as they are on a site with many scans, small enough for a test and large enough that planners choose as for a million."""

from datetime import timedelta
from hashlib import sha256

import pytest
from django.utils import timezone

from images.models import Image, ImageTag, Metadata, Project, Tag
from mediscan_site.core.database import insert_all
from mediscan_site.core.models import User
from tests.scale.plans import measured

SCANS = 4_000


def _scan(project, author, classes, number: int) -> Image:
    """Six in sixteen are unlabelled, as many approved, few rejected, one in ten of the second class; a patient has eight. All were
    compared days ago: written as such, since an InnoDB that purges late counts in an index also what rows were before."""
    status, approval = [("unlabeled", "pending"), ("labeled", "approved"), ("labeled", "pending")][number % 16 // 6]
    return Image(
        project=project,
        uploaded_by=author,
        file_name=f"chest_{number:07}.jpg",
        image_format="JPEG",
        width=1024,
        height=1024,
        size=number % 997,
        modality="MR" if number % 10 == 4 else "X-ray",
        split=("train", "train", "val", "test", None)[number % 5],
        patient=f"P{number // 8:015x}",
        study=f"st{number // 8:016x}",
        series=f"se{number // 4:016x}",
        instance=f"in{number:016x}",
        external_id=f"acc-{number}" if number % 2 else None,
        received_sha256=f"{project.pk:08x}{number:056x}",
        sha256=f"{project.pk:08x}{number:056x}",
        phash=sha256(f"{project.pk}/{number}".encode()).hexdigest(),
        compared_at=timezone.now() - timedelta(days=3, seconds=number),
        hold="text_like_border" if number % 512 == 0 else "",
        label_status=status,
        approval_status="rejected" if status == "labeled" and number % 128 == 11 else approval,
        label_class=classes[number % 16 == 13] if status == "labeled" else None,
        annotator=author if status == "labeled" else None,
    )


@pytest.fixture
def crowd(project, author, admin) -> Project:
    """The project of `author` with 4,000 scans (half as many in another project), each with its metadata, every tenth tagged."""
    other = Project.objects.create(name="Other", modality="CT", created_by=admin)
    classes = list(project.class_rows.all()[:2])
    rows = [_scan(project, author, classes, number) for number in range(SCANS)]
    insert_all(rows + [_scan(other, author, [], number * 16) for number in range(SCANS // 2)])
    keys = list(Image.objects.filter(project=project).order_by("pk").values_list("pk", flat=True))
    insert_all([Metadata(image_id=key) for key in Image.objects.values_list("pk", flat=True)])
    tag = Tag.objects.create(project=project, name="many", name_key="many")
    insert_all([ImageTag(image_id=key, tag=tag, tagged_by=author) for key in keys[::10]])
    measured(Project, User, Image, Metadata, Tag, ImageTag)
    return project
