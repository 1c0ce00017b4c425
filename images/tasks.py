"""Celery shells of scans."""

from images import mixed_studies
from images.selectors import anything_to_compare
from mediscan_site.core.alone import one_at_a_time
from mediscan_site.core.work import durable_task

# The beat calls every five seconds: an io worker is free for other work in between.
COMPARE_S = 4


@durable_task(name="images.compare_pending", queue="io", soft_limit_s=120)
@one_at_a_time("images.compare_pending", when=anything_to_compare)
def compare_pending(pk: int) -> None:
    """Look for near-duplicates among new scans. It finds its work itself; `pk` is 0."""
    from images.services import duplicates

    duplicates.compare_pending(budget_s=COMPARE_S)


@durable_task(name="images.check_studies", queue="io", soft_limit_s=900)
@one_at_a_time("images.check_studies")
def check_studies(pk: int) -> None:
    """Look through all scans for studies of several patients that nobody noted; `pk` is 0."""
    mixed_studies.check()
