from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0011_import_dialects")]

    operations = [
        migrations.AddField(
            model_name=name,
            name="finding",
            field=models.CharField(blank=True, default="", max_length=100),
        )
        for name in ("import", "resumableupload")
    ]
