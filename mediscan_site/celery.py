"""The Celery application. Tasks are made with `core.work.durable_task` alone, which sets acks, limits and queues."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")

TRANSPORT_ALIASES["filesystem"] = "mediscan_site.core.broker:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "mediscan_site.core.redis_broker:Transport"

app = Celery("mediscan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
