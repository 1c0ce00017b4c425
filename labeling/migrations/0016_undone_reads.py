from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0014_reads"), ("labeling", "0015_decisions")]

    operations = [
        migrations.AlterField(
            model_name="decision", name="scan_version", field=models.PositiveIntegerField(null=True)
        ),
    ]
