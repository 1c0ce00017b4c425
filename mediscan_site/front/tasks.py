"""Beat's looks at what several apps did. They take no row (0): what they tell, they tell once."""

from mediscan_site.core.alone import one_at_a_time
from mediscan_site.core.messages import mailing
from mediscan_site.core.work import durable_task
from mediscan_site.front.messages import digests, jobs, trail, waiting
from mediscan_site.front.messages.selectors import visible_messages


def _anything_to_tell() -> bool:
    return trail.anything_new() or jobs.anything_ended()


@durable_task(name="front.tell", queue="io", soft_limit_s=120)
@one_at_a_time("front.tell", when=_anything_to_tell)
def tell(pk: int) -> None:
    trail.follow()
    jobs.tell_of_ended()


@durable_task(name="front.tell_of_waiting", queue="io", soft_limit_s=600)
@one_at_a_time("front.tell_of_waiting")
def tell_of_waiting(pk: int) -> None:
    waiting.tell_of_waiting()


@durable_task(name="front.mail_messages", queue="io", soft_limit_s=600)
@one_at_a_time("front.mail_messages", when=mailing.anything_to_mail)
def mail_messages(pk: int) -> None:
    mailing.mail_messages(visible_messages)


@durable_task(name="front.mail_digests", queue="io", soft_limit_s=600)
@one_at_a_time("front.mail_digests", when=mailing.can_mail)
def mail_digests(pk: int) -> None:
    digests.mail_digests()
