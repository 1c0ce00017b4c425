from django.db import migrations

from mediscan_site.core.trail import guards


class Migration(migrations.Migration):
    """Triggers that refuse to change or delete the trail. Apart from the others: MySQL cannot roll a half migration back."""

    dependencies = [
        ('core', '0007_trail_begins'),
    ]

    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: guards.protect(schema_editor.connection),
            lambda apps, schema_editor: guards.unprotect(schema_editor.connection),
        )
    ]
