"""Sentences with which services refuse, remark and report, gathered from the source for translators.

They stay English where they are made: they are data, and the API's answers. Pages say them through
`core.sentences.in_language`, which knows them by `words/of_sentences.py`; `manage.py gather_words` writes that file.

An f-string is a template: what it puts in becomes a place, `%(name)s`. What it puts in only now and then (`"s" if n > 1 else ""`)
makes it several templates, each whole: no other language builds its plurals and its order as English does.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.conf import settings

from mediscan_site.front.sentence_templates import PLACE, is_text, template, ways

LISTED: Final = settings.BASE_DIR / "words" / "of_sentences.py"
HEAD: Final = '''"""Written by `manage.py gather_words` (make messages): sentences of services, as templates. Not to be edited."""

from django.utils.translation import gettext_noop as _

SENTENCES = (
'''
ROOTS: Final = ("mediscan_site/core", "mediscan_site/front", "images", "labeling", "models_registry", "training")
# What no page shows: commands, the API's own rules and documents, libraries' files, what is written into files and mails.
APART: Final = re.compile(
    r"/(management|migrations|demo|scale|plain|metrics|postgresql|deid|models)/|serializers\.py|schema|_api\.py|/models\.py"
    r"|core/(admin|auth|checks|start|triggers)\.py|core/storage/(?!reading|room|damage)|core/totals/triggers"
    r"|core/backup/(restoring|layout|place|dumps|sealing|loads|objects|scratch|signing|earlier|checking|withdrawing)"
    r"|core/http/(digest|idempotency|once|foreign|preconditions|openapi|parsers)"
    r"|front/(certificate|links|gathering|sentences|token_scopes|protocol|sentence_templates|supervisor|health)\.py"
    r"|labeling/(exports/text|imports/(told|watching|joined))|models_registry/(book/(given|loader|gateway)|versions/(cards|conduct))"
    r"|training/engine/config\.py|inference/(refer_reasons|manifest|bundle|preprocess|graph|seen)"
)
# Modules that say parts of sentences too, which stand in the places of others: reasons, kinds of files, notes.
IN_PARTS: Final = re.compile(
    r"statistics/(?!metrics|comparison)|versions/(confidence|class_changes|lineage|graphs|quicker|accelerating)"
    r"|acceptance/drawing|deployments/gate|grades/prediction_sets|evaluations/reporting|inference/(agreement|looks|quantised)"
    r"|services/(meaning|frames)|images/frames|dicom/kinds|decoding/notes|imports/(kinds|merging|plan|encodings|hearing|texts)"
    r"|datasets/(splits|freezing)|training/(choosing|seeing|planning|estimating|processes)"
    r"|training/engine/(caching|data|fit|folds|group|options|setting|setup|state|checkpoint|series|loop|material|crossfit|selfsupervised)"
    r"|training/process/(telling|making|measuring|reading|scores|reproducing|beating|runner)|core/durability"
)
# Calls whose words are of developers, of translators already, or of the API's documents.
_OF_TRANSLATORS: Final = (
    "gettext",
    "gettext_lazy",
    "gettext_noop",
    "ngettext",
    "ngettext_lazy",
    "pgettext",
    "npgettext",
    "_",
)
_OF_THE_API: Final = ("described", "_parameter", "_header", "ChoiceFilter", "CharFilter", "BooleanFilter", "CodeFilter")
_OF_LOGS: Final = ("debug", "info", "exception", "critical", "log", "getLogger", "warn", "Counter", "Gauge")
_OF_PYTHON: Final = (
    "ValueError",
    "TypeError",
    "RuntimeError",
    "LookupError",
    "KeyError",
    "OSError",
    "EOFError",
    "cast",
    "split",
)
_OF_OTHERS: Final = (
    *(
        "BadZipFile",
        "YAMLError",
        "ImproperlyConfigured",
        "CommandError",
        "BackupError",
        "NotPlain",
        "DamagedObject",
        "KeysError",
    ),
    *("NoAnchor", "UnsupportedFormatError", "compile", "fullmatch", "search", "match", "execute", "derived"),
)
SILENT: Final = frozenset((*_OF_TRANSLATORS, *_OF_THE_API, *_OF_LOGS, *_OF_PYTHON, *_OF_OTHERS))
# Refusals that stand as they are in a row's error, and begin small.
SMALL: Final = frozenset({"ConfigError", "CheckpointError", "TrainingDiverged", "OutOfMemory", "TooMuch"})
SILENT_KEYWORDS: Final = frozenset({"help_text", "description", "help", "verbose_name", "scope"})
_READS: Final = re.compile(r"(?:[.!?]|[.:!?] %\(\w+\)s)$")
# Names of types, and texts with a form of their own.
_NOT_SAID: Final = re.compile(r"\n|  | \| |^\w+\[|^#|=on |precision=|\b(?:dll|htm|tsv|sha1|bmp)\b")


def sentences() -> list[str]:
    """Each once, in the order of the alphabet."""
    found = set()
    for root in ROOTS:
        for path in sorted((settings.BASE_DIR / root).rglob("*.py")):
            name = path.relative_to(settings.BASE_DIR).as_posix()
            if not APART.search(name):
                found.update(of_module(path, parts=bool(IN_PARTS.search(name))))
    return sorted(found)


def listing() -> str:
    """The file as it should be. A sentence stands in one line: a translator is to find it."""
    return HEAD + "".join(f"    _({_quoted(sentence)}),\n" for sentence in sentences()) + ")\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def of_module(path: Path, *, parts: bool = False) -> set[str]:
    """Of one file. `parts`: also what is only a part of a sentence."""
    walk = _Walk(parts=parts)
    walk.visit(ast.parse(path.read_text(encoding="utf-8")))
    return walk.found


@dataclass
class _Walk(ast.NodeVisitor):
    parts: bool
    found: set[str] = field(default_factory=set)
    # What the names of the function hold where they hold text.
    held: Mapping[str, ast.expr] = field(default_factory=dict)
    put_in: set[str] = field(default_factory=set)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = self.held, self.put_in
        self.held = _held(node)
        self.put_in = {name for name in _put_in(node) if name in self.held}
        self._below(node)
        self.held, self.put_in = before

    def visit_Expr(self, node: ast.Expr) -> None:
        """A text that stands by itself is a docstring."""
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        """What sentences of the function put in is said with them."""
        name = node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
        if name not in self.put_in:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in SILENT or (name in ("warning", "error") and _of_a_log(node.func)):
            return
        before, self.parts = self.parts, self.parts or name in SMALL
        self._below(node)
        self.parts = before

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg not in SILENT_KEYWORDS:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._take(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._take(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def _below(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def _take(self, node: ast.expr) -> None:
        for way in ways(node, self.held):
            said = template(way).strip()
            if _is_said(said, parts=self.parts):
                # What an option must be follows its name.
                self.found.add(f"%(field)s {said}." if said.startswith("must ") else said)


def _of_a_log(func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and getattr(func.value, "id", "") in {"log", "logger"}


def _held(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """Names that are given a text once, and no other way."""
    given: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.setdefault(node.id, []).append(None)
    single = {name: [value for value in values if value is not None] for name, values in given.items()}
    return {
        name: values[0]
        for name, values in single.items()
        # Each assignment is seen twice: as such, and as a name that is stored to.
        if len(values) == 1 and len(given[name]) == 2 and is_text(values[0])
    }


def _put_in(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
            yield node.value.id


def _is_said(text: str, *, parts: bool) -> bool:
    letters = sum(map(str.isalpha, PLACE.sub("", text)))
    words, reads = len(text.split()), bool(_READS.search(text))
    # With fewer letters of its own a template would fit what others wrote.
    if letters < 4 or _NOT_SAID.search(text):
        return False
    return words > 1 and (reads or parts)
