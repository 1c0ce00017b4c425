import django.db.models.deletion
from django.db import migrations, models

# PostgreSQL takes columns as independent: it would think every fifth scan to be labelled without a class, and look for them at all.
KNOWN = "CREATE STATISTICS IF NOT EXISTS scan_states (mcv) ON {} FROM images_image"
COLUMNS = "project_id, label_class_id, label_status, approval_status"


def know_states(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute(KNOWN.format(COLUMNS))


def forget_states(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP STATISTICS IF EXISTS scan_states")


class Migration(migrations.Migration):
    """Each filter of the list of scans, and each of its orders, has an index that begins with the project; and so have the parts
    of file names."""

    dependencies = [("images", "0016_counts")]

    operations = [
        migrations.CreateModel(
            name="NamePart",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project", "code", "scan", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("code", models.BigIntegerField()),
                ("scan", models.BigIntegerField()),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="images.project",
                    ),
                ),
            ],
        ),
        *(
            migrations.AddIndex(model_name="image", index=models.Index(fields=fields, name=name))
            for name, fields in (
                ("scan_by_class", ["project", "label_class", "label_status", "upload_date", "id"]),
                ("scan_by_split", ["project", "split", "upload_date", "id"]),
                ("scan_by_hold", ["project", "hold", "upload_date", "id"]),
                ("scan_by_modality", ["project", "modality", "upload_date", "id"]),
                ("scan_by_name", ["project", "file_name", "id"]),
                ("scan_by_size", ["project", "size", "id"]),
            )
        ),
        migrations.RunPython(know_states, forget_states),
    ]
