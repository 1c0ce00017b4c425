"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path, re_path

from mediscan_site.front import errors, health
from mediscan_site.front.schema_api import DocsView, SchemaView

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.MetricsView.as_view(), name="metrics"),
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="api-docs"),
    path("api/v1/", include("mediscan_site.front.api")),
    path("api/", include("mediscan_site.front.protocol")),
    re_path(r"^api(?:/.*)?$", errors.api_not_found, name="api-not-found"),
    path("", include("mediscan_site.front.page_urls")),
    path("", include("images.urls")),
    path("", include("labeling.urls")),
    path("", include("models_registry.urls")),
    path("", include("training.urls")),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
