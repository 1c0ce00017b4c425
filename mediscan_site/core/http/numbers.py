"""Numbers in requests."""

import math
from typing import Any

from rest_framework import serializers


class NumberField(serializers.FloatField):
    """A finite number. `true` and `false` are not numbers, though Python counts them as 1 and 0."""

    def to_internal_value(self, data: Any) -> float:
        try:
            value = super().to_internal_value(data)
        except OverflowError:
            # A whole number in JSON may have any number of digits.
            value = math.inf
        if isinstance(data, bool) or not math.isfinite(value):
            self.fail("invalid")
        return value
