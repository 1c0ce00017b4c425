"""Beat's looks at what several apps did. They take no row (0): what they tell, they tell once."""

from mediscan_site.core.messages import mailing
from mediscan_site.core.work import durable_task
from mediscan_site.front.messages import digests, jobs, trail, waiting
from mediscan_site.front.messages.selectors import visible_messages


@durable_task(name="front.tell", queue="io", soft_limit_s=120)
def tell(pk: int) -> None:
    trail.follow()
    jobs.tell_of_ended()


@durable_task(name="front.tell_of_waiting", queue="io", soft_limit_s=600)
def tell_of_waiting(pk: int) -> None:
    waiting.tell_of_waiting()


@durable_task(name="front.mail_messages", queue="io", soft_limit_s=600)
def mail_messages(pk: int) -> None:
    mailing.mail_messages(visible_messages)


@durable_task(name="front.mail_digests", queue="io", soft_limit_s=600)
def mail_digests(pk: int) -> None:
    digests.mail_digests()
