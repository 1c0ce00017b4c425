"""What the bell and the lists of messages show."""

from django.db.models import QuerySet

from mediscan_site.core.models import Message, User

# The bell counts unread messages so far: this many stand for more.
COUNTED = 100


def messages_of(user: User) -> QuerySet[Message]:
    return Message.objects.filter(user=user)


def unread(messages: QuerySet[Message]) -> int:
    """How many; of very many `COUNTED`, which stands for that many and more."""
    return messages.filter(read_at=None).order_by()[:COUNTED].count()
