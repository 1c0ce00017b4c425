from django.db import migrations
from django.db.models import F, Max, Min


def note_mixed_studies(apps, editor):
    """Project by project, each found by one look at an index; begun again, it passes over what is there."""
    project, scan, noted = (apps.get_model("images", name) for name in ("Project", "Image", "MixedStudy"))
    for pk in project.objects.order_by("pk").values_list("pk", flat=True):
        scans = scan.objects.filter(project=pk, study__isnull=False, patient__isnull=False).order_by()
        patients = scans.values("study").annotate(first=Min("patient"), last=Max("patient"))
        studies = patients.filter(first__lt=F("last")).values_list("study", flat=True)
        rows = [noted(project_id=pk, study=study) for study in studies]
        noted.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)


class Migration(migrations.Migration):
    """Studies of several patients that came in before they were noted."""

    dependencies = [("images", "0021_mixed_studies")]

    operations = [
        migrations.RunPython(note_mixed_studies, migrations.RunPython.noop, elidable=True),
    ]
