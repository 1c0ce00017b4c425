"""docs/api-errors.md is the table of all codes a client can meet."""

import ast
import csv
import re
from pathlib import Path

from django.conf import settings

from images.decoding.errors import DETAILS
from mediscan_site.core import errors

ROOT = Path(settings.BASE_DIR)
FOLDERS = ("mediscan_site", "images", "labeling", "models_registry", "training")
# Raised with the code as the first argument.
BY_POSITION = {"Undecodable", "EntryRefused"}
BY_KEYWORD = {"code", "problem"}


def strings(node: ast.expr) -> set[str]:
    """The texts a code may be: a literal, either side of a condition, or the first of a (code, detail) pair."""
    if isinstance(node, ast.Tuple):
        return strings(node.elts[0])
    if isinstance(node, ast.IfExp):
        return strings(node.body) | strings(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def codes_of(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for word in node.keywords:
                found |= strings(word.value) if word.arg in BY_KEYWORD else set()
            if ast.unparse(node.func).split(".")[-1] in BY_POSITION and node.args:
                found |= strings(node.args[0])
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= strings(node.value) if any(ast.unparse(name) == "default_code" for name in targets) else set()
    return {code for code in found if re.fullmatch(r"[a-z][a-z_]+", code)}


def raised_in_the_source() -> set[str]:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
    found = {code for path in files for code in codes_of(ast.parse(path.read_text()))}
    with (ROOT / "labeling" / "reading" / "states.csv").open() as table:
        found |= {row["refusal"] for row in csv.DictReader(table) if row["refusal"]}
    return found | set(DETAILS)


def documented() -> set[str]:
    rows = [line for line in (ROOT / "docs" / "api-errors.md").read_text().splitlines() if line.startswith("|")]
    return {code for line in rows for code in re.findall(r"`([a-z_]+)`", line)}


def test_every_code_of_the_source_is_in_the_table():
    assert {"four_eyes", "gate_refused", "truncated", "zip_bomb"} <= raised_in_the_source()
    assert raised_in_the_source() - documented() == set()


def test_the_codes_of_the_error_classes_stand_beside_their_status():
    rows = (ROOT / "docs" / "api-errors.md").read_text().splitlines()
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.DomainError):
            wanted = f"| {int(kind.status)} | `{kind.default_code}` |"
            assert any(line.startswith(wanted) for line in rows), wanted
