from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0006_kept_labels'),
    ]

    operations = [
        migrations.AddField(
            model_name='importfile',
            name='patient',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddIndex(
            model_name='importfile',
            index=models.Index(fields=['patient'], name='import_file_by_patient'),
        ),
    ]
