from collections import defaultdict

import django.utils.timezone
from django.core.management import CommandError
from django.db import migrations, models

import mediscan_site.core.names
from mediscan_site.core.names import name_key


def refuse_names_that_are_one(apps, schema_editor):
    """Before anything is changed: on MySQL a migration that fails half-way stays half done."""
    names = defaultdict(list)
    for pk, username in apps.get_model('core', 'User').objects.order_by('pk').values_list('pk', 'username'):
        names[name_key(username)].append(f'{username} (id {pk})')
    doubles = [' and '.join(found) for found in names.values() if len(found) > 1]
    if doubles:
        raise CommandError(
            f'These accounts have names that differ only in the case of their letters: {"; ".join(doubles)}. '
            'Nothing was changed. Rename all but one of each, on the admin site of the version that ran before, or with '
            "UPDATE core_user SET username = 'NEW NAME' WHERE id = ID; then migrate again."
        )


def fill(apps, schema_editor):
    users = apps.get_model('core', 'User').objects
    for pk, username in list(users.values_list('pk', 'username')):
        users.filter(pk=pk).update(username_key=name_key(username))


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0004_own_keys_and_store'),
    ]

    operations = [
        migrations.RunPython(refuse_names_that_are_one, migrations.RunPython.noop),
        migrations.AddField(
            model_name='user',
            name='username_key',
            field=models.CharField(max_length=255, null=True, editable=False),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='user',
            name='username_key',
            field=mediscan_site.core.names.NameKeyField(editable=False, max_length=255, unique=True),
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(max_length=40)),
                ('who', models.CharField(max_length=64)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'indexes': [models.Index(fields=['what', 'who', 'at'], name='tally_by_who')],
            },
        ),
        migrations.CreateModel(
            name='ResetRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=16)),
                ('progress', models.FloatField(default=0.0)),
                ('error', models.TextField(blank=True)),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('cancel_requested', models.BooleanField(default=False)),
                ('queued_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('email', models.CharField(blank=True, max_length=254)),
                ('base_url', models.CharField(max_length=300)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
