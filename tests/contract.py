"""The API's answers held against its OpenAPI document: status, content type and every field must be in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4

HERE = "urn:openapi"
JSON = "application/json"
# Neither is an operation of the API: its own page.
UNDOCUMENTED = ("/api/docs/",)


class Contract:
    def __init__(self, document: dict[str, Any]) -> None:
        # What is said of one address goes before what is said of all like it.
        paths = sorted(document["paths"].items(), key=lambda entry: entry[0].count("{"))
        self._paths = [(_pattern(path), operations) for path, operations in paths]
        closed = json.loads(json.dumps(document), object_hook=_closed)
        self._registry: Registry = Registry().with_resource(HERE, DRAFT4.create_resource(closed))
        self.document = document
        self._validators: dict[str, OAS30Validator] = {}

    def faults(self, method: str, path: str, status: int, content_type: str, body: bytes | None) -> list[str]:
        """What of this answer the document does not say; nothing where it is silent about nothing. `body`: None to leave it out."""
        operations = self._operations(path)
        if operations is None:
            return [] if status == 404 or path in UNDOCUMENTED else ["no such path"]
        operation = operations.get(method.lower())
        if operation is None:
            return [] if status == 405 or method in ("HEAD", "OPTIONS") else ["no such method"]
        response = operation["responses"].get(str(status))
        if response is None:
            return [f"status {status} is not documented: {(body or b'')[:300]!r}"]
        kind, content = content_type.partition(";")[0], response.get("content", {})
        if not content:
            return ["a body where none is documented"] if body else []
        if kind not in content:
            return [f"content type {kind} is not documented for {status}"]
        return list(self._wrong(operation["operationId"], status, content[kind], body)) if body and kind == JSON else []

    def require(self, method: str, path: str, status: int, content_type: str, body: bytes | None) -> None:
        """AssertionError naming what of this answer the document does not say."""
        faults = self.faults(method, path, status, content_type, body)
        assert not faults, f"{method} {path} answered {status}, and /api/schema/ says otherwise:\n" + "\n".join(faults)

    def _operations(self, path: str) -> dict[str, Any] | None:
        return next((operations for pattern, operations in self._paths if pattern.fullmatch(path)), None)

    def _wrong(self, name: str, status: int, media: dict[str, Any], body: bytes) -> Iterator[str]:
        validator = self._validator(f"{name} {status}", media["schema"])
        for error in validator.iter_errors(json.loads(body)):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"

    def _validator(self, name: str, schema: dict[str, Any]) -> OAS30Validator:
        if name not in self._validators:
            absolute = json.loads(json.dumps(schema).replace('"#/', f'"{HERE}#/'))
            closed = json.loads(json.dumps(absolute), object_hook=_closed)
            self._validators[name] = OAS30Validator(
                closed, registry=self._registry, format_checker=oas30_format_checker
            )
        return self._validators[name]


def _pattern(path: str) -> re.Pattern[str]:
    """Of a path such as /api/v1/images/{id}/; those of the protocol may be called with a last slash too."""
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + ("" if path.endswith("/") else "/?"))


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """An object with named fields has no others."""
    return {"additionalProperties": False, **schema} if isinstance(schema.get("properties"), dict) else schema
