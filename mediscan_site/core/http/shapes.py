"""Serializers that are created for every request."""

import copy
from typing import Any, ClassVar

from rest_framework import serializers


class BuiltOnceMixin(serializers.Serializer[Any]):
    """Works its fields out once per class; each serializer gets copies. Most of the cost of a small answer."""

    _built: ClassVar[dict[type, dict[str, Any]]] = {}

    def build_fields(self) -> dict[str, Any]:
        """What `get_fields` is for others: once per class."""
        return super().get_fields()

    def get_fields(self) -> dict[str, Any]:
        if type(self) not in self._built:
            self._built[type(self)] = self.build_fields()
        return {name: _copy(field) for name, field in self._built[type(self)].items()}


def _copy(field: Any) -> Any:
    """DRF copies a field by making it anew, a deep copy of each option included. A field that has no others inside is not changed
    by its use but for where it is bound, so the options may be shared."""
    if isinstance(field, serializers.BaseSerializer) or hasattr(field, "child") or hasattr(field, "child_relation"):
        return copy.deepcopy(field)
    return copy.copy(field)
