"""Traces of requests, tasks and database statements by OpenTelemetry's own packages, where OTEL_EXPORTER_OTLP_ENDPOINT names a
collector. Nothing is imported otherwise.

What leaves is chosen here, from one list: an address, a statement's values, an error's text or a header may hold what a patient
is called. Spans keep their names (routes, tasks, verbs of SQL), times, states and what is in ATTRIBUTES."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.signals import connection_created

ATTRIBUTES: Final = (
    "http.method", "http.request.method", "http.route", "http.status_code", "http.response.status_code",
    "celery.action", "celery.state", "celery.task_name", "messaging.message.id", "messaging.destination",
    "messaging.destination.name", "db.system", "db.system.name", "db.operation.name",
)  # fmt: skip
MISSING: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. Run pip install -r requirements-otel.txt, or "
    "remove OTEL_EXPORTER_OTLP_ENDPOINT."
)


def require() -> None:
    """ImproperlyConfigured where traces are wanted and the packages are missing."""
    if not settings.TRACES_TO:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.instrumentation.celery
        import opentelemetry.instrumentation.django  # noqa: F401
    except ImportError as error:
        raise ImproperlyConfigured(MISSING) from error


def begin(service: str) -> Any:
    """Once in each process that works, after any fork; its TracerProvider, or None where no traces are wanted. `service`: as in
    "web". Raises ImproperlyConfigured without the packages."""
    if not settings.TRACES_TO:
        return None
    require()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    provider = provide(service, OTLPSpanExporter())
    DjangoInstrumentor().instrument(tracer_provider=provider, excluded_urls="healthz,readyz,metrics,static/")
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]
    watch_statements(provider.get_tracer(__name__))
    return provider


def provide(service: str, exporter: Any) -> Any:
    """A TracerProvider whose spans go to `exporter`, discreetly."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"mediscan-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(_discreet(exporter)))
    return provider


def _discreet(exporter: Any) -> Any:
    from opentelemetry.sdk.trace.export import SpanExporter

    class Discreet(SpanExporter):
        def export(self, spans: Sequence[Any]) -> Any:
            return exporter.export([without_contents(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

    return Discreet()


def without_contents(span: Any) -> Any:
    """A copy of a finished span with nothing in it that a person typed or a row holds."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Status

    known = {name: value for name, value in (span.attributes or {}).items() if name in ATTRIBUTES}
    # Without a route the name has the address that was asked for.
    name = (
        span.name
        if "://" not in span.name and ("/" not in span.name or "http.route" in known)
        else span.name.split()[0]
    )
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=known,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def watch_statements(tracer: Any) -> None:
    """One way for the three engines: Django's own, around each statement of every connection that is opened from now on."""

    def traced(execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any) -> Any:
        verb = sql.lstrip("( ").partition(" ")[0].upper()[:12]
        about = {"db.system": context["connection"].vendor, "db.operation.name": verb}
        with tracer.start_as_current_span(verb, attributes=about):
            return execute(sql, params, many, context)

    def watch(connection: Any, **_about: Any) -> None:
        # A connection that is opened again still has its wrappers.
        if traced not in connection.execute_wrappers:
            connection.execute_wrappers.append(traced)

    connection_created.connect(watch, weak=False, dispatch_uid="tracing")
