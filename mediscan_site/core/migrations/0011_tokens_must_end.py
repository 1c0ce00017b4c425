from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0010_tokens_end'),
    ]

    operations = [migrations.AlterField('servicetoken', 'expires_at', models.DateTimeField())]
