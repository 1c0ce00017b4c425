from django.db import migrations, models


class Migration(migrations.Migration):
    """The patients of a study are in the index by which studies of several are found."""

    dependencies = [("images", "0019_reading_desks")]

    operations = [
        migrations.AddIndex(
            model_name="image",
            index=models.Index(fields=["project", "study", "patient"], name="scan_by_study_of"),
        ),
        migrations.RemoveIndex(model_name="image", name="scan_by_study"),
    ]
