"""What `benchmarks.bulk` adds to a seeded site: labels for all scans, stored objects, files to import."""

import hashlib
import io
import os
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

SIDE = 32
AT_ONCE = 2_000
OBJECTS_OF_A_SCAN = 3
BYTES = 200
NAMESPACE = "project-bulk"


def approve_all(project: Any) -> None:
    """Every scan of the project has an approved label, a content of its own, and no side yet, and none waits to be compared."""
    from django.db.models import F
    from django.utils import timezone

    from images.models import ApprovalStatus, Image, LabelStatus, Rendition, RenditionKind
    from labeling.models import Label, Reference
    from mediscan_site.core.models import User

    scans = Image.objects.filter(project=project)
    # Seeded scans share a few pictures, which as data would be copies of each other.
    Rendition.objects.filter(image__project=project, kind=RenditionKind.TILE).delete()
    scans.filter(file_name__startswith="picture").update(use_for_training=False, compared_at=timezone.now())
    label_class, reader = project.class_rows.order_by("position")[0], User.objects.get(username="scale.doctor1")
    without = list(scans.filter(reference__isnull=True).values_list("pk", flat=True))
    for start in range(0, len(without), AT_ONCE):
        some, first = without[start : start + AT_ONCE], (Label.objects.order_by("-pk")[0].pk if without else 0) + 1
        given = {"label_class": label_class, "source": Label.Source.DOCTOR, "round": 1, "reader": reader}
        labels = [
            Label(pk=first + number, image_id=pk, annotation_date=timezone.now(), **given)
            for number, pk in enumerate(some)
        ]
        Label.objects.bulk_create(labels)
        Reference.objects.bulk_create(Reference(image_id=label.image_id, label=label) for label in labels)
        scans.filter(pk__in=some).update(label_class=label_class, label_status=LabelStatus.LABELED, annotator=reader)
    scans.update(approval_status=ApprovalStatus.APPROVED, split=None, hold="", sha256=F("received_sha256"))


def store_objects(project: Any) -> None:
    """Three small objects for each scan, rows and files; those that are there already stay."""
    from django.core.files.storage import storages

    from images.models import Image
    from mediscan_site.core import planning
    from mediscan_site.core.models import Blob

    store: Any = storages["blobs"]
    root = Path(store.location) / NAMESPACE
    there = Blob.objects.filter(path__startswith=f"{NAMESPACE}/").count()
    for digit in "0123456789abcdef":
        (root / digit).mkdir(parents=True, exist_ok=True)
    for start in range(there, OBJECTS_OF_A_SCAN * Image.objects.filter(project=project).count(), AT_ONCE):
        Blob.objects.bulk_create(_object(root) for _ in range(AT_ONCE))
        if not start % (50 * AT_ONCE):
            print(f"{start:,} objects", flush=True)
    planning.count()


def _object(root: Path) -> Any:
    from mediscan_site.core.models import Blob

    key, data = uuid.uuid4(), os.urandom(BYTES)
    (root / key.hex[0] / str(key)).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    same = {"sha256": digest, "stored_sha256": digest, "size": BYTES, "stored_size": BYTES}
    return Blob(id=key, path=f"{NAMESPACE}/{key.hex[0]}/{key}", key_id="none", wrapped_key=b"none", **same)


def packed(files: int) -> io.BytesIO:
    """Small grey PNGs, each another one, in a ZIP with a folder for each class."""
    random, out = np.random.default_rng(), io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(files):
            small = io.BytesIO()
            Picture.fromarray(random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(small, "PNG")
            made.writestr(f"{('NORMAL', 'OPACITY')[number % 2]}/{number:06}.png", small.getvalue())
    out.seek(0)
    return out
