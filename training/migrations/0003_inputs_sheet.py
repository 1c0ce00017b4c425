"""The contact sheet of a run, and which scans are to be seen on it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0014_turns'),
        ('images', '0010_learning_views'),
        ('training', '0002_turns'),
    ]

    operations = [
        migrations.AddField(
            model_name='trainingrun',
            name='inputs_sheet',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.blob'),
        ),
        migrations.CreateModel(
            name='ShownScan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='images.image')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shown_scans', to='training.trainingrun')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('run', 'image'), name='scan_once_per_sheet')],
            },
        ),
    ]
