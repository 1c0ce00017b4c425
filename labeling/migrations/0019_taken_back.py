"""Labels that their reader has taken back say so themselves, where only what took them back told it."""

from django.db import migrations, models


def mark(apps, schema_editor):
    """What was undone, and reads of several that neither stand open nor are measured by anything."""
    Label, Decision, Read = (apps.get_model("labeling", name) for name in ("Label", "Decision", "Read"))
    undone = Decision.objects.filter(undoes__label__isnull=False).values("undoes__label")
    nowhere = Read.objects.filter(kind="independent", active=None, against=None, label__isnull=False).values("label")
    for found in (undone, nowhere):
        Label.objects.filter(pk__in=found).update(taken_back=True)


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0018_doubt_before'),
    ]

    operations = [
        migrations.AddField(
            model_name='label',
            name='taken_back',
            field=models.BooleanField(default=False),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
