import django.db.models.deletion
from django.db import migrations, models

from mediscan_site.core.trail import guards


class Migration(migrations.Migration):
    """Who does a periodic task, and which events wait for their seal. The trigger that has them wait is made with the others,
    after every `migrate` (`core.trail.guards`); where this is taken back, it goes first."""

    dependencies = [
        ('core', '0016_messages_and_invitations'),
    ]

    operations = [
        migrations.CreateModel(
            name='TaskLease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('holder', models.CharField(blank=True, max_length=32)),
                ('held_until', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Unsealed',
            fields=[
                ('event', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='unsealed', serialize=False, to='core.auditevent')),
                ('stray', models.BooleanField(default=False)),
            ],
            options={
                'indexes': [models.Index(fields=['stray', 'event'], name='unsealed_in_order')],
            },
        ),
        migrations.RunPython(
            migrations.RunPython.noop, lambda apps, schema_editor: guards.unqueue(schema_editor.connection)
        ),
    ]
