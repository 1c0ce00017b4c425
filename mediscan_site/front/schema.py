"""Finishing touches on the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

VERSIONED = ("/api/v1/", "/api/schema/", "/api/docs/")
# What drf-spectacular makes of the empty choice and of null. Generators make classes without a name of them.
NO_CHOICE: dict[str, Any] = {"BlankEnum": "", "NullEnum": None}
REFERENCE = "#/components/schemas/"


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


def write_choices_out(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001
    """A hook for after those that name enums: a field that may also be empty or null has its choices in place, with `""` and null
    among them. OpenAPI 3.0 knows null only beside a type: no reference to a named enum could allow it."""
    schemas = result.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            schema["properties"][name] = _written_out(field, schemas)
    for name in NO_CHOICE:
        schemas.pop(name, None)
    for operations in result["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                # An address has no null: who filters by a column that may be null leaves the parameter out.
                parameter["schema"].pop("nullable", None)
    return result


def _written_out(field: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    names = [part["$ref"].removeprefix(REFERENCE) for part in field.get("oneOf", ()) if "$ref" in part]
    if not set(names) & set(NO_CHOICE):
        return field
    named = [schemas[name] for name in names if name not in NO_CHOICE]
    values = [value for enum in named for value in enum["enum"]]
    values += [NO_CHOICE[name] for name in NO_CHOICE if name in names]
    rest = {key: value for key, value in field.items() if key != "oneOf"}
    return {"type": "string", **rest, "enum": values}


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
