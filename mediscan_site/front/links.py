"""The connections of a site that go to another host in clear text, or to a server that nobody checked: said at every start."""

import logging
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from mediscan_site.env import is_local

log = logging.getLogger(__name__)
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
CLEAR, UNCHECKED = "goes in clear text", "is encrypted, but nobody checks which server answers"


@dataclass(frozen=True)
class Weak:
    """A connection that somebody on the network could read, or answer in the server's place."""

    variable: str
    host: str
    why: str
    remedy: str

    @property
    def sentence(self) -> str:
        return f"{self.variable}: what is sent to {self.host} {self.why}."


def weak() -> list[Weak]:
    """Every such connection of this site, by the variable that names it."""
    return [
        found for look in (_database, _broker, _store, _book, _mail) for found in look() if not is_local(found.host)
    ]


def tell() -> None:
    """One line in the log for each, as a web process or worker starts."""
    for found in weak():
        log.warning("%s %s", found.sentence, found.remedy)


@register("mediscan")
def check_links(**_options: Any) -> list[CheckMessage]:
    return [Warning(found.sentence, hint=found.remedy, id="mediscan.W003") for found in weak()]


def _database() -> Iterator[Weak]:
    database: Any = settings.DATABASES["default"]
    options = database.get("OPTIONS", {})
    vendor = str(database["ENGINE"]).rpartition(".")[2]
    if vendor == "mysql":
        mode, name = options.get("ssl_mode", ""), "?ssl_ca=/path/of/ca.pem"
        clear, unchecked = mode in ("", "DISABLED", "PREFERRED"), mode == "REQUIRED"
    elif vendor == "postgresql":
        mode, name = options.get("sslmode", ""), "?sslrootcert=/path/of/ca.pem"
        clear, unchecked = mode in ("", "disable", "allow", "prefer"), mode == "require"
    else:
        return
    for host in str(options.get("unix_socket") or database.get("HOST", "")).split(","):
        if clear or unchecked:
            yield Weak("DATABASE_URL", host, CLEAR if clear else UNCHECKED, f"Add {name} to the address.")


def _broker() -> Iterator[Weak]:
    options: Any = settings.CELERY_BROKER_USE_SSL
    for address in str(settings.CELERY_BROKER_URL).split(";"):
        parts = urlsplit(address)
        if parts.scheme not in ("redis", "rediss", "amqp", "amqps", "pyamqp"):
            continue
        remedy = f"Use {'rediss' if 'redis' in parts.scheme else 'amqps'}://…?ssl_ca_certs=/path/of/ca.pem."
        if not options:
            yield Weak("CELERY_BROKER_URL", parts.hostname or "", CLEAR, remedy)
        elif ssl.CERT_NONE in (options.get("cert_reqs"), options.get("ssl_cert_reqs")):
            yield Weak("CELERY_BROKER_URL", parts.hostname or "", UNCHECKED, remedy)


def _store() -> Iterator[Weak]:
    storages: Any = settings.STORAGES
    if "s3" not in str(storages["blobs"]["BACKEND"]):
        return
    variable = next((name for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if os.environ.get(name)), "")
    # Without an endpoint boto3 takes Amazon's, over https.
    yield from _http(variable, os.environ.get(variable, ""), "Use https://…, with AWS_CA_BUNDLE=/path/of/ca.pem.")


def _book() -> Iterator[Weak]:
    uri = str(settings.MLFLOW_TRACKING_URI)
    remedy = "Use https://…, with MLFLOW_TRACKING_SERVER_CERT_PATH=/path/of/ca.pem."
    yield from _http("MLFLOW_TRACKING_URI", uri, remedy)
    if uri.startswith("https://") and os.environ.get(INSECURE, "").lower() in ("1", "true"):
        host = urlsplit(uri).hostname or ""
        yield Weak(INSECURE, host, UNCHECKED, f"Remove it. {remedy}")


def _mail() -> Iterator[Weak]:
    if str(settings.EMAIL_BACKEND).endswith("smtp.EmailBackend") and not (
        getattr(settings, "EMAIL_USE_TLS", False) or getattr(settings, "EMAIL_USE_SSL", False)
    ):
        yield Weak(
            "EMAIL_URL", str(settings.EMAIL_HOST), CLEAR, "Use smtp+tls://… or smtp+ssl://…: mails hold reset links."
        )


def _http(variable: str, address: str, remedy: str) -> Iterator[Weak]:
    parts = urlsplit(address)
    if parts.scheme == "http":
        yield Weak(variable, parts.hostname or "", CLEAR, remedy)
