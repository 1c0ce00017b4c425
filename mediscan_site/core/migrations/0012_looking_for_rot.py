from typing import Any

import django.utils.timezone
from django.db import migrations, models


def stored_then(apps: Any, schema_editor: Any) -> None:
    """Nobody noted when an object was last read back: what is certain is when it was stored."""
    apps.get_model("core", "Blob").objects.update(checked_at=models.F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("core", '0011_tokens_must_end')]

    operations = [
        migrations.AddField("blob", "checked_at", models.DateTimeField(default=django.utils.timezone.now)),
        migrations.AddIndex("blob", models.Index(fields=["checked_at", "id"], name="blob_by_check")),
        migrations.AddIndex("blob", models.Index(fields=["quarantined_at"], name="blob_by_quarantine")),
        migrations.RunPython(stored_then, migrations.RunPython.noop, elidable=True),
    ]
