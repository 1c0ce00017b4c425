import hashlib
from datetime import timedelta

from django.db import migrations
from django.utils import timezone

# What tokens could do before there were scopes.
ALL = ['read', 'upload', 'label', 'review', 'grade', 'train', 'export', 'manage']
LIFETIME = timedelta(days=365)


def complete(apps, schema_editor):
    """Tokens of before go on as they were, but end: a year from now, or with the account's password."""
    tokens, events = apps.get_model('core', 'ServiceToken'), apps.get_model('core', 'AuditEvent')
    latest = timezone.now() + 2 * LIFETIME
    for token in tokens.objects.select_related('user'):
        made = events.objects.filter(action='token.create', object_type='servicetoken', object_id=str(token.pk)).first()
        token.scopes = ALL
        token.password_mark = hashlib.sha256(token.user.password.encode()).hexdigest()
        token.made_by_id = made.actor_id if made else None
        token.expires_at = min(token.expires_at, latest) if token.expires_at else timezone.now() + LIFETIME
        token.save()


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0009_tokens'),
    ]

    operations = [migrations.RunPython(complete, migrations.RunPython.noop)]
