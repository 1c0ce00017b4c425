"""A full disk, and a device that fails, are notices of one machine from here on; the old ones, of all, nobody would take away."""

from django.db import migrations


def forget(apps, schema_editor):
    notices = apps.get_model("core", "Notice").objects.using(schema_editor.connection.alias)
    notices.filter(key__in=["disk:full", "grade-device"]).delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0020_workers_seen")]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
