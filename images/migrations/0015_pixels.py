"""The scan's own pixels at full size, as the viewer shows them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('images', '0014_guide'),
    ]

    operations = [
        migrations.AlterField(
            model_name='rendition',
            name='kind',
            field=models.CharField(choices=[('thumbnail', 'Thumbnail'), ('rendition', 'View'), ('tile', 'Tile'), ('learning', 'Learning'), ('pixels', 'Pixels')], max_length=16),
        ),
    ]
