from django.db import migrations

from mediscan_site.core.trail import beginning


def note(apps, schema_editor):
    beginning.note(apps.get_model('core', 'AuditEvent'), apps.get_model('core', 'AuditSeal'))


class Migration(migrations.Migration):
    """Seals what is still unsealed, and notes in the chain itself up to where events have no MAC of their writer."""

    dependencies = [
        ('core', '0006_trail'),
    ]

    operations = [migrations.RunPython(note, migrations.RunPython.noop)]
