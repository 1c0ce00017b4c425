import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    """What a writer proves. Old events have neither: the next migration notes where they end."""

    dependencies = [
        ('core', '0005_accounts'),
    ]

    operations = [
        # Without a default: one value for all old rows would not be unique.
        migrations.AddField('auditevent', 'uid', models.UUIDField(null=True, unique=True, editable=False)),
        migrations.AlterField('auditevent', 'uid', models.UUIDField(default=uuid.uuid4, null=True, unique=True, editable=False)),
        migrations.AddField('auditevent', 'mac', models.CharField(blank=True, default='', max_length=64, editable=False), preserve_default=False),
    ]
