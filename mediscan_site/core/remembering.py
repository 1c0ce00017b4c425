"""What a process remembers for some minutes, where each look would read very many rows and may be a little behind."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

MOST: Final = 256
FOR_S: Final = 600.0


class Memory:
    """`of(key, make)`: what `make` gave for this key, made anew after FOR_S seconds. The key tells apart what a restored database
    may have given the same number: name a moment or a digest in it."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Any]) -> Any:
        made, value = self._known.get(key, (None, None))
        if made is None or time.monotonic() - made > FOR_S:
            value = make()
            self._known[key] = time.monotonic(), value
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return value
