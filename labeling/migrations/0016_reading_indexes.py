"""The project of each row about a scan, with the indexes of its lists; who has spoken of each scan (`SaidBy`)."""

from collections import defaultdict
from itertools import groupby
from operator import itemgetter

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Q, Subquery

import labeling.models.places


OF_SCANS = ("GoldScan", "Label", "LabelDoubt", "QueueScore", "Read", "Review")
AT_ONCE = 500


def fill_projects(apps, schema_editor):
    """Rows of a scan get its project: one statement for each table."""
    Image = apps.get_model("images", "Image")
    for name in OF_SCANS:
        project = Image.objects.filter(pk=OuterRef("image")).values("project")[:1]
        apps.get_model("labeling", name).objects.update(project=Subquery(project))


def fill_said_by(apps, schema_editor):
    """Who has spoken of each scan: of one with a label its reader, and who made the service token in use; else who has read it."""
    _labelled(apps)
    _read(apps)


def _noted(apps, project, people, reads):
    """As labeling.reading.said_by writes it."""
    key = f"{reads or ''},{','.join(map(str, sorted(people)))},"
    SaidBy = apps.get_model("labeling", "SaidBy")
    SaidBy.objects.get_or_create(project_id=project, key=key, defaults={"reads": reads})
    return key


def _labelled(apps):
    Image, Reference = apps.get_model("images", "Image"), apps.get_model("labeling", "Reference")
    standing = Image.objects.filter(label_status="labeled").exclude(approval_status="rejected")
    for project, reader in standing.exclude(annotator=None).order_by().values_list("project", "annotator").distinct():
        own = standing.filter(project=project, annotator=reader)
        own.update(said_by=_noted(apps, project, {reader}, 0))
    by_token = Reference.objects.filter(label__through__isnull=False).order_by()
    for project, reader, maker in by_token.values_list("image__project", "label__reader", "label__through").distinct():
        given = by_token.filter(label__through=maker, label__reader=reader).values("image")
        own = standing.filter(project=project, annotator=reader, pk__in=given)
        own.update(said_by=_noted(apps, project, {reader, maker} - {None}, 0))


def _read(apps):
    Image, Read = apps.get_model("images", "Image"), apps.get_model("labeling", "Read")
    rows = Read.objects.filter(active=True, label__isnull=False).order_by("image")
    open_ones = rows.filter(Q(image__label_status="unlabeled") | Q(image__approval_status="rejected"))
    columns = ("image", "project", "label__reader", "label__through")
    found = defaultdict(list)
    for image, reads in groupby(open_ones.values_list(*columns).iterator(chunk_size=5000), key=itemgetter(0)):
        said = list(reads)
        people = {pk for _, _, reader, maker in said for pk in (reader, maker) if pk is not None}
        found[said[0][1], frozenset(people), len(said)].append(image)
    for (project, people, reads), images in found.items():
        key = _noted(apps, project, people, reads)
        for start in range(0, len(images), AT_ONCE):
            Image.objects.filter(pk__in=images[start : start + AT_ONCE]).update(said_by=key)


class Migration(migrations.Migration):

    dependencies = [
        ('images', '0019_reading_desks'),
        ('labeling', '0015_decisions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SaidBy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=128)),
                ('reads', models.PositiveSmallIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='goldscan',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AddField(
            model_name='label',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AddField(
            model_name='labeldoubt',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AddField(
            model_name='queuescore',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AddField(
            model_name='read',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AddField(
            model_name='review',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.RunPython(fill_projects, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='goldscan',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AlterField(
            model_name='label',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AlterField(
            model_name='labeldoubt',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AlterField(
            model_name='queuescore',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AlterField(
            model_name='read',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AlterField(
            model_name='review',
            name='project',
            field=labeling.models.places.ProjectOfImage(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AlterField(
            model_name='labeldoubt',
            name='suggested_probability',
            field=models.FloatField(),
        ),
        migrations.AlterField(
            model_name='queuescore',
            name='score',
            field=models.FloatField(),
        ),
        migrations.AddIndex(
            model_name='goldscan',
            index=models.Index(fields=['project', 'marked_at', 'image'], name='gold_by_date'),
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['project', 'id'], name='label_by_project'),
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['project', 'annotation_date', 'id'], name='label_by_date'),
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['annotation_date', 'id'], name='label_of_all_by_date'),
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['project', 'source', 'id'], name='label_by_source'),
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['reader', 'project', 'id'], name='label_by_reader'),
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['reader', 'id'], name='label_of_reader'),
        ),
        migrations.AddIndex(
            model_name='labeldoubt',
            index=models.Index(fields=['project', 'suggested_probability', 'image'], name='doubt_by_probability'),
        ),
        migrations.AddIndex(
            model_name='labeldoubt',
            index=models.Index(fields=['project', 'created_at', 'image'], name='doubt_by_date'),
        ),
        migrations.AddIndex(
            model_name='queuescore',
            index=models.Index(fields=['project', 'score', 'image'], name='score_by_project'),
        ),
        migrations.AddIndex(
            model_name='read',
            index=models.Index(fields=['reader', 'waiting'], name='read_waiting'),
        ),
        migrations.AddIndex(
            model_name='read',
            index=models.Index(fields=['project', 'kind', 'id'], name='read_by_project'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['project', 'id'], name='review_by_project'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['project', 'created_at', 'id'], name='review_by_date'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['created_at', 'id'], name='review_of_all_by_date'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['project', 'status', 'id'], name='review_by_status'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['reviewer', 'project', 'id'], name='review_by_reviewer'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['reviewer', 'id'], name='review_of_reviewer'),
        ),
        migrations.AddField(
            model_name='saidby',
            name='project',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images.project'),
        ),
        migrations.AddConstraint(
            model_name='saidby',
            constraint=models.UniqueConstraint(fields=('project', 'key'), name='said_by_once'),
        ),
        migrations.RunPython(fill_said_by, migrations.RunPython.noop),
    ]
