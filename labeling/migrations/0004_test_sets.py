"""Data sets that were frozen before test sets had versions get theirs, in the order they were frozen."""

import hashlib
import json

from django.db import migrations


def number_test_sets(apps, schema_editor):
    Snapshot = apps.get_model("labeling", "Snapshot")
    SnapshotMember = apps.get_model("labeling", "SnapshotMember")
    versions = {}
    for snapshot in Snapshot.objects.filter(test_hash="").order_by("pk").iterator():
        test = SnapshotMember.objects.filter(snapshot=snapshot, split="test")
        rows = sorted([sha256, label] for sha256, label in test.values_list("sha256", "label_class"))
        content = json.dumps([[entry["id"] for entry in snapshot.classes], rows], separators=(",", ":"))
        digest = hashlib.sha256(content.encode()).hexdigest()
        known = versions.setdefault(snapshot.project_id, {})
        version = known.setdefault(digest, len(known) + 1)
        Snapshot.objects.filter(pk=snapshot.pk).update(test_hash=digest, test_version=version)


class Migration(migrations.Migration):
    dependencies = [("labeling", "0003_export_files")]
    operations = [migrations.RunPython(number_test_sets, migrations.RunPython.noop)]
