"""How many processes train a run together."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0003_inputs_sheet'),
    ]

    operations = [
        migrations.AddField(
            model_name='trainingrun',
            name='processes',
            field=models.PositiveSmallIntegerField(default=1),
        ),
    ]
