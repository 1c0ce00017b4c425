from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0019_taken_back"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="label",
            index=models.Index(fields=["reader", "project", "source", "id"], name="label_read_by"),
        ),
    ]
