from django.db import migrations, models

BATCH = 500


def fill(apps, schema_editor):
    """Grades that are there: by the scan itself in the version's own data set. Copies are known from now on."""
    Grade = apps.get_model('models_registry', 'Grade')
    SnapshotMember = apps.get_model('labeling', 'SnapshotMember')
    for split in ('test', 'val', 'train'):
        own = SnapshotMember.objects.filter(
            image=models.OuterRef('image'), snapshot=models.OuterRef('model__snapshot'), split=split
        )
        found = list(Grade.objects.filter(models.Exists(own), status='succeeded').values_list('pk', flat=True))
        for start in range(0, len(found), BATCH):
            Grade.objects.filter(pk__in=found[start : start + BATCH]).update(seen_in=split)


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0001_initial'),
        ('models_registry', '0002_turns'),
    ]

    operations = [
        migrations.AddField(
            model_name='grade',
            name='seen_in',
            field=models.CharField(blank=True, choices=[('train', 'Train'), ('val', 'Val'), ('test', 'Test')], max_length=8, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
