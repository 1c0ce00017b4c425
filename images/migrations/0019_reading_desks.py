"""Where each scan waits, and who has spoken of it there; the indexes of the queues."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('images', '0018_name_parts'),
    ]

    operations = [
        migrations.AddField(
            model_name='image',
            name='desk',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('erased_at__isnull', False), models.Q(('hold', ''), _negated=True), _connector='OR'), then=models.Value('')), models.When(models.Q(('label_status', 'unlabeled'), ('approval_status', 'rejected'), _connector='OR'), then=models.Value('label')), models.When(approval_status__in=('pending', 'modified'), then=models.Value('review')), default=models.Value('')), output_field=models.CharField(max_length=8)),
        ),
        migrations.AddField(
            model_name='image',
            name='said_by',
            field=models.CharField(blank=True, default='', max_length=128),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(fields=['project', 'desk', 'said_by', 'upload_date', 'id'], name='scan_by_desk'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(fields=['project', 'desk', 'label_class', 'said_by', 'upload_date', 'id'], name='scan_by_desk_class'),
        ),
    ]
