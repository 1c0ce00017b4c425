"""Is the site alive, is it ready, and how is it doing."""

import hmac
import logging
from typing import Any

from amqp.exceptions import AMQPError
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework.views import APIView

from mediscan_site import rabbitmq
from mediscan_site.celery import app
from mediscan_site.core import readiness
from mediscan_site.core.auth import AccessTokenAuthentication, ServiceTokenAuthentication
from mediscan_site.core.errors import Unavailable
from mediscan_site.core.models import User
from mediscan_site.core.policies import require_admin
from mediscan_site.core.readiness import AWAY
from mediscan_site.core.storage import room
from mediscan_site.front.metrics import figures
from mediscan_site.front.metrics.exposition import exposition
from models_registry.deployments import bundles
from models_registry.models import DeployedModel
from models_registry.versions import graphs

log = logging.getLogger(__name__)
SCRAPER = "scraper"
figures.register()


@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is checked."""
    return JsonResponse({"status": "ok"})


@readiness.part("database")
def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


@readiness.part("broker")
def _broker() -> str:
    with app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)
        try:
            rabbitmq.require_our_kind(broker)
        except AMQPError as error:
            if not rabbitmq.of_another_kind(error):
                raise
            log.error("%s", rabbitmq.remedy(error))
            raise readiness.NotReady("queues of another kind") from error
    return "ok"


@readiness.part("storage")
def _storage() -> str:
    storages["blobs"].exists("readyz")
    return "ok"


@readiness.part("disk")
def _disk() -> str:
    if room.is_short():
        raise readiness.NotReady("full")
    return "ok"


@readiness.part("model")
def _model() -> str:
    if bundles.damaged().exists():
        raise readiness.NotReady("damaged")
    return "ok" if DeployedModel.objects.exists() else "none deployed"


@readiness.part("graph")
def _graph() -> str:
    # More slowly, with the same answers: no reason to send nobody here.
    return "PyTorch serves" if graphs.deployed_without().exists() else "ok"


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is well, else 503 naming those that are not. A site without a deployed model is ready."""
    parts, well = readiness.states()
    answer = JsonResponse({"status": "ok" if well else AWAY, "parts": parts}, status=200 if well else 503)
    if not well:
        answer.headers["Retry-After"] = str(Unavailable.default_retry_after)
    return answer


class ScrapeTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <METRICS_TOKEN>` for Prometheus, which has no account."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        given = get_authorization_header(request)
        wanted = f"Bearer {settings.SCRAPE_TOKEN}".encode()
        if settings.SCRAPE_TOKEN and hmac.compare_digest(given, wanted):
            return User(username=SCRAPER), SCRAPER
        return None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="metrics"'


class MetricsView(APIView):
    """Prometheus' text format, for admins and the scraper."""

    authentication_classes = (
        ScrapeTokenAuthentication,
        AccessTokenAuthentication,
        ServiceTokenAuthentication,
        SessionAuthentication,
    )

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.auth != SCRAPER:
            require_admin(request.user)
        return HttpResponse(exposition(figures.FIGURES), content_type=CONTENT_TYPE_LATEST)
