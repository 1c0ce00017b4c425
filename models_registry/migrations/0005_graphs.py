import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0014_turns'),
        ('models_registry', '0004_known_reference'),
    ]

    operations = [
        migrations.CreateModel(
            name='ModelGraph',
            fields=[
                ('model', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='graph', serialize=False, to='models_registry.modelversion')),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('signature', models.CharField(blank=True, max_length=200)),
                ('logits_difference', models.FloatField(null=True)),
                ('note', models.TextField(blank=True)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('blob', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.blob')),
            ],
        ),
    ]
