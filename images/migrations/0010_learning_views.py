"""Views for learning: at their own shape, of each frame where a scan has several; and how a project wants them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0014_turns'),
        ('images', '0009_grade_on_arrival'),
    ]

    operations = [
        migrations.AddField(
            model_name='project',
            name='orientation_matters',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='project',
            name='picture_shape',
            field=models.CharField(choices=[('squash', 'squashed to the square'), ('letterbox', 'at its own shape, with a margin')], default='squash', max_length=12),
        ),
        migrations.AddField(
            model_name='rendition',
            name='frame',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='rendition',
            name='kind',
            field=models.CharField(choices=[('thumbnail', 'Thumbnail'), ('rendition', 'View'), ('tile', 'Tile'), ('learning', 'Learning')], max_length=16),
        ),
        migrations.AddConstraint(
            model_name='rendition',
            constraint=models.UniqueConstraint(fields=('image', 'kind', 'frame'), name='rendition_of_frame_once'),
        ),
        # Last: MySQL needs an index that begins with the image at all times, for the foreign key.
        migrations.RemoveConstraint(
            model_name='rendition',
            name='rendition_once',
        ),
    ]
