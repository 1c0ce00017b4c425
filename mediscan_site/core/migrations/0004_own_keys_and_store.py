import secrets

import django.utils.timezone
from django.db import migrations, models


def name_the_database(apps, schema_editor):
    """Once, outside of any request: a marker in the store must never outlive the id that it names."""
    apps.get_model('core', 'StoreOwner').objects.get_or_create(pk=1, defaults={'site': secrets.token_hex(16)})


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0003_notices'),
    ]

    operations = [
        migrations.CreateModel(
            name='KeyCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=48, unique=True)),
                ('value', models.CharField(max_length=64)),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='StoreOwner',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('site', models.CharField(max_length=32)),
                ('marked_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.RunPython(name_the_database, migrations.RunPython.noop),
    ]
