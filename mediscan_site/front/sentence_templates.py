"""A text of the source, constant or f-string, as the templates of what it can say."""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

PLACE: Final = re.compile(r"%\((\w+)\)s")
_FORMATTED: Final = re.compile(r"\{\w*(?::[^{}]*)?\}")
# An f-string that puts in more at will than this is no sentence.
MOST_WAYS: Final = 16


def is_text(node: ast.expr) -> bool:
    """Whether it is text, whatever it depends on."""
    if isinstance(node, ast.IfExp):
        return is_text(node.body) and is_text(node.orelse)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


# What a text is made of: letters, and expressions that are put in.
Way = tuple[str | ast.expr, ...]


def ways(node: ast.expr, held: Mapping[str, ast.expr]) -> list[Way]:
    """Each text that an expression can be."""
    if isinstance(node, ast.Constant):
        return [_constant(node.value)] if isinstance(node.value, str) else [(node,)]
    if isinstance(node, ast.IfExp) and is_text(node):
        return [*ways(node.body, held), *ways(node.orelse, held)]
    if isinstance(node, ast.JoinedStr):
        return _joined([ways(part, held) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        return ways(node.value, held)
    if isinstance(node, ast.Name) and node.id in held:
        return ways(held[node.id], {name: text for name, text in held.items() if name != node.id})
    return [(node,)]


def _constant(text: str) -> Way:
    """`{}` of a text that `format` fills is a place too."""
    parts: list[str | ast.expr] = []
    for letters in _FORMATTED.split(text):
        parts += [letters, ast.Name("value")]
    return tuple(parts[:-1])


def _joined(choices: list[list[Way]]) -> list[Way]:
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > MOST_WAYS:
        return []
    return [tuple(part for piece in way for part in piece) for way in product(*choices)]


def template(way: Way) -> str:
    """Letters as they are, and each expression as a place with a name of its own. Two places side by side are one."""
    named: dict[str, str] = {}
    said = ""
    for part in way:
        if isinstance(part, str):
            said += part.replace("%", "%%")
        elif not PLACE.search(said) or not said.endswith(")s"):
            said += f"%({_named(part, named)})s"
    return said if named else said.replace("%%", "%")


def _named(part: ast.expr, named: dict[str, str]) -> str:
    """The same expression has the same name; another one of that name is numbered."""
    key = ast.dump(part)
    # A text that `format` fills has places without names: each is another.
    if key not in named or (isinstance(part, ast.Name) and part.id == "value"):
        base, taken, number = _name(part), set(named.values()), 2
        name = base
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        named[key if key not in named else f"{key} {name}"] = name
        return name
    return named[key]


def _name(part: ast.expr) -> str:
    """What an expression is about: its last word."""
    if isinstance(part, ast.Attribute):
        return part.attr.lower().strip("_")
    if isinstance(part, ast.Name):
        return part.id.lower().strip("_")
    if isinstance(part, ast.Subscript):
        key = part.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else _name(part.value)
    if isinstance(part, ast.Call):
        return _name_of_call(part)
    inner: Iterator[ast.expr] = (child for child in ast.iter_child_nodes(part) if isinstance(child, ast.expr))
    return next((name for name in map(_name, inner) if name != "value"), "value")


def _name_of_call(call: ast.Call) -> str:
    asked = call.args[0] if call.args else call.func
    if not isinstance(asked, ast.Constant) or not isinstance(call.func, ast.Attribute):
        return _name(asked)
    return str(asked.value) if call.func.attr == "get" else _name(call.func.value)
