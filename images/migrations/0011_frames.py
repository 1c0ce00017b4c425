"""Which frames of a scan of several are looked at. Of scans that are here, what their file named stands in their notes."""

import re

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


NAMED = re.compile(r"Frame (\d+) of \d+ is used, which the file names for it")


def remember_named(apps, schema_editor):
    choices = apps.get_model("images", "FrameChoice").objects
    rows = apps.get_model("images", "Image").objects.filter(frames__gt=1, erased_at__isnull=True)
    for pk, notes in rows.values_list("pk", "notes").iterator(chunk_size=1000):
        named = next((found for note in notes if (found := NAMED.match(str(note)))), None)
        if named:
            choices.create(image_id=pk, frames=[int(named[1])], source="file")


def keep(apps, schema_editor):
    """The table goes with the rows."""


class Migration(migrations.Migration):

    dependencies = [
        ('images', '0010_learning_views'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FrameChoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('frames', models.JSONField()),
                ('source', models.CharField(choices=[('person', 'chosen by a person'), ('file', 'named by the file'), ('rule', "spread evenly by the project's rule"), ('nobody', 'not chosen')], max_length=8)),
                ('chosen_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddField(
            model_name='project',
            name='frames_seen',
            field=models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(16)]),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('frames_seen__gte', 1), ('frames_seen__lte', 16)), name='frames_seen_is_a_number_of_frames'),
        ),
        migrations.AddField(
            model_name='framechoice',
            name='chosen_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='framechoice',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='frame_choices', to='images.image'),
        ),
        migrations.AddIndex(
            model_name='framechoice',
            index=models.Index(fields=['image', 'id'], name='frame_choice_by_image'),
        ),
        migrations.RunPython(remember_named, keep),
    ]
