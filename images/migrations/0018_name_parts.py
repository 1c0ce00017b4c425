from django.db import migrations, transaction

from images.naming_index import parts_of

BATCH = 2000


def index_names(apps, editor):
    """Batch by batch, each in a transaction of its own; begun again, it passes over what is there."""
    scan, part = apps.get_model("images", "Image"), apps.get_model("images", "NamePart")
    done = 0
    rows = scan.objects.filter(erased_at__isnull=True).order_by("pk").values_list("pk", "project", "file_name")
    while batch := list(rows.filter(pk__gt=done)[:BATCH]):
        found = [part(project_id=of, code=code, scan=pk) for pk, of, name in batch for code in parts_of(name)]
        with transaction.atomic():
            part.objects.bulk_create(found, ignore_conflicts=True, batch_size=BATCH)
        done = batch[-1][0]


class Migration(migrations.Migration):
    """Scans that were there before the index are found by parts of their names, too."""

    atomic = False
    dependencies = [("images", "0017_scan_indexes")]

    operations = [
        migrations.RunPython(index_names, migrations.RunPython.noop),
    ]
