"""The Celery application. Tasks are made with `core.work.durable_task` alone, which sets acks, limits and queues."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init, worker_init, worker_process_init
from kombu.transport import TRANSPORT_ALIASES

from mediscan_site import tracing
from mediscan_site.core import garbage, threads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")

TRANSPORT_ALIASES["filesystem"] = "mediscan_site.core.broker:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "mediscan_site.core.redis_broker:Transport"

app = Celery("mediscan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
@beat_init.connect
def _tell(**_options: Any) -> None:
    # Here, because this module is imported before there are any apps.
    from mediscan_site.front import links

    links.tell()


@worker_init.connect
def _missing_packages_stop_the_start(**_options: Any) -> None:
    tracing.require()


@worker_process_init.connect
def _trace(**_options: Any) -> None:
    # In each child: the thread that sends spans does not live through a fork.
    tracing.begin("worker")
    garbage.set_aside()
    threads.wait_briefly()
