"""Referrals of scans that were erased, or held back, in the moment in which a grade referred them."""

from django.db import migrations
from django.db.models.functions import Now


def close(apps, schema_editor):
    referrals = apps.get_model("models_registry", "Referral").objects.using(schema_editor.connection.alias)
    waiting = referrals.filter(active=True)
    ended = {"active": None, "holder": None, "expires_at": None, "closed_at": Now(), "outcome": "erased"}
    for gone in (waiting.filter(image__erased_at__isnull=False), waiting.exclude(image__hold="")):
        # By keys: MySQL updates no table that it reads meanwhile.
        referrals.filter(pk__in=list(gone.values_list("pk", flat=True))).update(**ended)


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0013_summaries"),
        ("images", "0020_patients_of_studies"),
    ]

    operations = [migrations.RunPython(close, migrations.RunPython.noop)]
