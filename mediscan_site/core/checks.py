"""System checks: settings whose absence would be silent."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from mediscan_site.core import work

BLACKLIST_APP = "rest_framework_simplejwt.token_blacklist"


@register("mediscan")
def check_tokens(**kwargs: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if not apps.is_installed(BLACKLIST_APP):
        messages.append(
            Error(
                "Without the blacklist app a used refresh token is accepted again.",
                hint=f"Add {BLACKLIST_APP!r} to INSTALLED_APPS.",
                id="mediscan.E001",
            )
        )
    if not settings.SIMPLE_JWT.get("CHECK_REVOKE_TOKEN"):
        messages.append(
            Error(
                "Tokens would outlive a changed password.",
                hint="Set SIMPLE_JWT['CHECK_REVOKE_TOKEN'] = True.",
                id="mediscan.E002",
            )
        )
    return messages


@register("mediscan")
def check_authentication_order(**kwargs: Any) -> list[CheckMessage]:
    classes: Any = settings.REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]
    first = classes[0]
    if first == "mediscan_site.core.auth.AccessTokenAuthentication":
        return []
    hint = "The first class names the scheme of a 401; with sessions first it becomes a 403."
    return [Error("AccessTokenAuthentication must be listed first.", hint=hint, id="mediscan.E003")]


@register("mediscan")
def check_visibility_timeout(**kwargs: Any) -> list[CheckMessage]:
    """A broker that redelivers after a visibility timeout would start a long task twice."""
    timeout: Any = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("visibility_timeout")
    longest = work.LONGEST_TASK_S + work.HARD_LIMIT_MARGIN_S
    if timeout is None or timeout > longest:
        return []
    hint = f"Set CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout'] above {longest} seconds."
    return [Error("The broker would redeliver tasks that are still running.", hint=hint, id="mediscan.E004")]


@register("mediscan")
def check_transport(**kwargs: Any) -> list[CheckMessage]:
    """Outside the embedded mode people reach the site over a network."""
    if settings.EMBEDDED:
        return []
    if not settings.HTTPS:
        hint = "Set TLS=1, or PUBLIC_URL=https://... and put a TLS proxy in front (docs/operations.md)."
        return [Warning("Without https, passwords and scans travel in the clear.", hint=hint, id="mediscan.W001")]
    if not settings.TRUSTED_PROXIES and not settings.TLS:
        hint = "Set TRUSTED_PROXIES to the number of proxies in front; they must send X-Forwarded-Proto and -For."
        return [Warning("Behind a TLS proxy every page would redirect to itself.", hint=hint, id="mediscan.W002")]
    return []
