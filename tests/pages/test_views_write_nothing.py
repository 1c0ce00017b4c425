"""Views, API and serializers parse and answer; only services write (DESIGN, rule 1)."""

import ast
from pathlib import Path

import pytest
from django.conf import settings

WRITES = {
    "save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create",
}  # fmt: skip
FOLDERS = ("images", "labeling", "models_registry", "training", "mediscan_site")
NAMES = ("views", "api", "serializers", "forms")
LONGEST_VIEW = 15


def _sources() -> list[Path]:
    root = Path(settings.BASE_DIR)
    found = [path for folder in FOLDERS for path in (root / folder).rglob("*.py")]
    return sorted(path for path in found if any(name in (path.stem.split("_")[-1], path.parent.name) for name in NAMES))


def _is_plain_update(call: ast.Call) -> bool:
    """`dict.update(other)` and `hash.update(bytes)` take a value; a queryset's update takes columns."""
    target = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == "update" else None
    return target is not None and (bool(call.args) or (isinstance(target, ast.Attribute) and target.attr == "__dict__"))


def _writes(tree: ast.AST) -> list[str]:
    return [
        f"line {node.lineno}: .{node.func.attr}()"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
        and not _is_plain_update(node)
    ]


def test_there_are_views_and_apis_to_look_at():
    stems = {f"{path.parent.name}/{path.stem}" for path in _sources()}
    assert {"images/views", "images/api", "models_registry/views", "front/views", "views/reading"} <= stems


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(settings.BASE_DIR)))
def test_no_view_api_serializer_or_form_writes_through_the_orm(path):
    assert _writes(ast.parse(path.read_text())) == []


def test_the_check_sees_a_write():
    assert _writes(ast.parse("Image.objects.filter(pk=1).update(a=1)")) == ["line 1: .update()"]
    assert _writes(ast.parse("scan.save()")) == ["line 1: .save()"]


@pytest.mark.parametrize(
    "path",
    [path for path in _sources() if "views" in (path.stem, path.parent.name)],
    ids=lambda path: str(path.relative_to(settings.BASE_DIR)),
)
def test_no_view_is_longer_than_a_person_reads_at_once(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno for node in functions if node.decorator_list}
    assert {name: length for name, length in lengths.items() if length > LONGEST_VIEW} == {}
