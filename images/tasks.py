"""Celery shells of scans."""

from mediscan_site.core.work import durable_task

# The beat calls every five seconds: an io worker is free for other work in between.
COMPARE_S = 4


@durable_task(name="images.compare_pending", queue="io", soft_limit_s=120)
def compare_pending(pk: int) -> None:
    """Look for near-duplicates among new scans. It finds its work itself; `pk` is 0."""
    from images.services import duplicates

    duplicates.compare_pending(budget_s=COMPARE_S)
