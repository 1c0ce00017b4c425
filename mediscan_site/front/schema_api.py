"""The OpenAPI document and its pages, with `?format=` and with errors in JSON like everywhere under /api/."""

import threading
from functools import lru_cache
from typing import Any, Final

from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response

# drf-spectacular loads what extends it while the first document is made, and fails where two threads make it; see
# findings/spectacular_first_schema_of_two_threads_fails.sh.
_making: Final = threading.Lock()


@lru_cache(maxsize=8)  # bounded: anyone who is signed in may ask for `?version=` whatever
def _document(version: str | None, language: str | None) -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator(api_version=version).get_schema(public=True)  # type: ignore[no-untyped-call]
    return document


class OneForAll(SchemaGenerator):
    """The document is the same for whoever may see it, and takes a second to make: once per process."""

    def get_schema(self, request: object = None, public: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        with _making:
            return _document(self.api_version, get_language())


class SchemaView(SpectacularAPIView):
    """JSON, or YAML when asked with `Accept` or `?format=yaml`."""

    generator_class = OneForAll
    # The first one also renders the errors.
    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer, OpenApiYamlRenderer2]

    def get_renderers(self) -> list[BaseRenderer]:
        renderers = super().get_renderers()
        wanted = self.request.query_params.get("format")
        return [renderer for renderer in renderers if renderer.format == wanted] or renderers


class DocsView(SpectacularSwaggerSplitView):
    template_name = "api/docs.html"

    def handle_exception(self, exc: Exception) -> Response:
        response: Response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return response
