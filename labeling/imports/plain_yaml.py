"""The part of YAML that a labels file needs: lists, mappings and text, built from the parser's events.

PyYAML's own loader recurses in C: a file nested 200,000 deep kills the process. Every value stays text (an unquoted NO stays
NO), and no object is made. Pure.
"""

from typing import Any, Final

import yaml

MAX_DEPTH: Final = 8
MAX_VALUES: Final = 500_000
_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class TooMuch(Exception):
    """The text asks for more than is allowed; the message continues "The file ..."."""


def load(text: str) -> Any:
    """The first document: None, text, or lists and dictionaries of them. TooMuch, yaml.YAMLError."""
    root: list[Any] = []
    open_ones: list[_Node] = [_Node(root)]
    values = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise TooMuch("uses aliases, which are not followed")
        if isinstance(event, yaml.DocumentEndEvent):
            break
        if isinstance(event, yaml.CollectionEndEvent):
            open_ones.pop()
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            made = _Node(_value(event))
            open_ones[-1].take(made.content)
            if not isinstance(event, yaml.ScalarEvent):
                open_ones.append(made)
            if values > MAX_VALUES or len(open_ones) > MAX_DEPTH:
                raise TooMuch(f"has more than {MAX_VALUES} values or is nested more than {MAX_DEPTH} levels deep")
    return root[0] if root else None


def _value(event: Any) -> Any:
    if isinstance(event, yaml.ScalarEvent):
        return event.value
    return [] if isinstance(event, yaml.SequenceStartEvent) else {}


class _Node:
    """A list or mapping that is being filled."""

    def __init__(self, content: Any) -> None:
        self.content = content
        self._key: str | None = None

    def take(self, value: Any) -> None:
        if isinstance(self.content, list):
            self.content.append(value)
        elif self._key is not None:
            self.content[self._key] = value
            self._key = None
        elif isinstance(value, str):
            self._key = value
        else:
            raise yaml.YAMLError("a key must be text")
