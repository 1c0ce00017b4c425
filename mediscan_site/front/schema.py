"""Finishing touches on the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

VERSIONED = ("/api/v1/", "/api/schema/", "/api/docs/")


def tag_protocol(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001
    """drf-spectacular's post-processing hook: the names outside /api/v1/ are the protocol's, written without last slash."""
    paths = {}
    for path, operations in result["paths"].items():
        if path.startswith(VERSIONED):
            paths[path] = operations
            continue
        paths[path.rstrip("/")] = operations
        name = path.removeprefix("/api/").split("/")[0]
        for method, operation in operations.items():
            operation["tags"] = ["protocol"]
            operation["operationId"] = f"protocol_{name}_{method}"
    result["paths"] = paths
    return result


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "mediscan_site.core.auth.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ServiceTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "mediscan_site.core.auth.ServiceTokenAuthentication"
    name = "serviceToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Token ms_…",
        }
