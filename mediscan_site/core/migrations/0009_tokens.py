import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

class Migration(migrations.Migration):

    dependencies = [
        ('core', '0008_trail_guards'),
    ]

    operations = [
        migrations.AddField('servicetoken', 'scopes', models.JSONField(default=list)),
        migrations.AddField('servicetoken', 'password_mark', models.CharField(default='', max_length=64), preserve_default=False),
        migrations.AddField(
            'servicetoken',
            'made_by',
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.CreateModel(
            name='TokenWork',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table', models.CharField(max_length=80)),
                ('row', models.BigIntegerField()),
                ('token', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='core.servicetoken')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('table', 'row'), name='one_token_for_a_job')],
            },
        ),
    ]
