"""Scans that were referred before there was a worklist, and that nobody has labelled since, wait in it as well."""

from django.db import migrations
from django.db.models import Exists, Max, Min, OuterRef

AT_ONCE = 500


def open_referrals(apps, schema_editor):
    Grade = apps.get_model('models_registry', 'Grade')
    Label = apps.get_model('labeling', 'Label')
    Referral = apps.get_model('models_registry', 'Referral')
    read = Label.objects.filter(image=OuterRef('image'), annotation_date__gte=OuterRef('finished_at'))
    waiting = Grade.objects.filter(decision='refer', status='succeeded', image__erased_at__isnull=True)
    scans = waiting.exclude(Exists(read)).order_by().values('project', 'image')
    rows = scans.annotate(first=Min('finished_at'), last=Max('pk')).order_by('first', 'image')
    new = []
    for row in list(rows):
        new.append(
            Referral(
                project_id=row['project'], image_id=row['image'], grade_id=row['last'], opened_at=row['first'], active=True
            )
        )
        if len(new) == AT_ONCE:
            Referral.objects.bulk_create(new)
            new = []
    Referral.objects.bulk_create(new)


class Migration(migrations.Migration):

    dependencies = [
        ('models_registry', '0007_batches'),
    ]

    operations = [
        migrations.RunPython(open_referrals, migrations.RunPython.noop),
    ]
