"""The OpenAPI document and its pages, with `?format=` and with errors in JSON like everywhere under /api/."""

from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response


class SchemaView(SpectacularAPIView):
    """JSON, or YAML when asked with `Accept` or `?format=yaml`."""

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
