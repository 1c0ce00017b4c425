"""The house rules that a machine can check. What they are for: docs/architecture.md."""

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from django.conf import settings
from importlinter.cli import lint_imports

ROOT = Path(settings.BASE_DIR)
FOLDERS = ("mediscan_site", "images", "labeling", "models_registry", "training")
Function = ast.FunctionDef | ast.AsyncFunctionDef

# Longer than 300 lines, each with its reason.
LONG_FILES: dict[str, str] = {}
# A test file is a list of independent cases of one subject: it may be longer before splitting it helps anybody.
MAX_TEST_FILE = 450
MAX_FILE, MAX_VIEW, MAX_SERVICE, MAX_TASK = 300, 15, 40, 10


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts and "__pycache__" not in path.parts)


def room(*names: str) -> list[Path]:
    """The files of one room in every app and wing: `views.py`, `label_views.py`, or what is in a package `views/`."""
    return [path for path in sources(*FOLDERS) if path.stem.split("_")[-1] in names or path.parent.name in names]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: Function) -> int:
    """Lines of the body; neither signature nor docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long(paths: list[Path], limit: int) -> list[str]:
    return [
        f"{shown(path)}:{function.lineno} {function.name} has {body_lines(function)} lines"
        for path in paths
        for function in functions(path)
        if body_lines(function) > limit
    ]


def test_no_file_is_long_without_a_reason():
    paths = sources(*FOLDERS, "tests", "benchmarks")
    lengths = {shown(path): len(path.read_text().splitlines()) for path in paths}
    limits = {path: MAX_TEST_FILE if path.startswith("tests/") else MAX_FILE for path in lengths}
    assert {path for path, lines in lengths.items() if lines > limits[path]} == set(LONG_FILES)


@pytest.mark.parametrize(
    ("rooms", "limit"),
    [(("views", "api"), MAX_VIEW), (("services",), MAX_SERVICE), (("tasks",), MAX_TASK)],
    ids=["views", "services", "tasks"],
)
def test_no_function_is_longer_than_its_room_allows(rooms, limit):
    paths = room(*rooms)
    assert paths
    assert too_long(paths, limit) == []


READING_ROOMS = ("views", "api", "serializers", "forms", "selectors", "filters", "policies", "protocol")
WRITES = {"save", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "aupdate", "acreate", "asave"}
QUERY_WRITES = {"create", "update", "delete"}
QUERIES = {"objects", "all", "filter", "exclude", "order_by", "select_for_update", "_default_manager", "get"}
# What only a service, or the worker's side, does besides: rows, objects, messages.
EFFECTS = re.compile(
    r"(audit\.record\w*|blobs\.(write|erase|discard|quarantine)\w*|work\.(wake|send|finish|claim)\w*|renditions\.ensure"
    r"|transaction\.atomic|open_audited)"
)


def names_in(node: ast.expr) -> set[str]:
    """The attribute names along a chain: `A.objects.filter(…).first()` gives objects, filter, first."""
    found = set()
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        node = node.func if isinstance(node, ast.Call) else node.value
    return found


def is_write(call: ast.Call) -> bool:
    """A queryset takes columns by name or nothing; `dict.update(other)` and `view.create(request)` take a value."""
    if EFFECTS.fullmatch(ast.unparse(call.func)):
        return True
    if not isinstance(call.func, ast.Attribute):
        return False
    method = call.func.attr
    return method in WRITES or (method in QUERY_WRITES and (not call.args or bool(names_in(call.func.value) & QUERIES)))


def writes(source: str) -> list[int]:
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and is_write(node)]


@pytest.mark.parametrize(
    "line",
    [
        "a.save()",
        "A.objects.create(x=1)",
        "project.class_rows.create(x=1)",
        "A.objects.filter(pk=1).update(x=2)",
        "a.delete()",
        "a.b.all().delete()",
        "audit.record('x', actor=a)",
        "blobs.write_aside(data)",
        "renditions.ensure(image, kind)",
    ],
)
def test_the_search_for_writes_finds(line):
    assert writes(line) == [1]


@pytest.mark.parametrize(
    "line",
    ["values.update(other)", "view.create(request)", "A.objects.filter(pk=1)", "services.delete_scan(actor=a)"],
)
def test_the_search_for_writes_leaves_alone(line):
    assert writes(line) == []


@pytest.mark.parametrize("name", READING_ROOMS)
def test_what_reads_and_shapes_does_not_write(name):
    paths = room(name)
    assert paths
    assert [f"{shown(path)}:{line}" for path in paths for line in writes(path.read_text())] == []


@pytest.mark.parametrize(
    "path",
    [
        "images/views.py",
        "labeling/reading/label_views.py",
        "labeling/imports/upload_api.py",
        "labeling/exports/selectors.py",
        "models_registry/grade_serializers.py",
        "mediscan_site/front/trail_api.py",
    ],
)
def test_the_rooms_of_wings_and_those_with_a_first_name_are_seen(path):
    assert ROOT / path in room(*READING_ROOMS)


def test_no_two_view_sets_share_a_name():
    """A name says what its floor adds: the router and the protocol's table choose among several of one thing."""
    paths = room("api", "views")
    names = [node.name for path in paths for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    assert "ProtocolScanViewSet" in names
    assert [name for name, times in Counter(names).items() if times > 1] == []


def imported(path: Path, modules: Collection[str]) -> set[str]:
    """Our modules that this one imports, at the top or inside a function; what only the type checker reads does not count."""
    tree = ast.parse(path.read_text())
    checking = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    skipped = {id(inner) for node in checking for line in node.body for inner in ast.walk(line)}
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            names |= {name if name in modules else node.module or "" for name in inner}
    return names & set(modules)


def import_graph(*folders: str) -> dict[str, set[str]]:
    paths = {module(path): path for path in sources(*folders)}
    return {name: imported(path, paths) for name, path in paths.items()}


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_modules_import_each_other_in_a_circle():
    graph = import_graph(*FOLDERS, "benchmarks")
    assert graph["labeling.reading.queue"] >= {"images.models", "labeling.models"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


BANNED = {
    r"\bshared_task\b|@app\.task": "tasks are made with core.work.durable_task",
    r"^\s*(import|from) (pickle|dill|joblib|shelve|marshal)\b|\bpickle\.loads?\(": "nothing is ever unpickled",
    r"weights_only\s*=\s*False": "nothing is ever unpickled",
    r"\.extractall\(|\.extract\(": "archives are walked entry by entry",
    r"\bmark_safe\b|\|safe\b|autoescape off": "templates escape",
    r"\bcsrf_exempt\b": "pages are protected against forged requests",
    r"(?<![\w.])(eval|exec)\(": "no code from data",
    r"shell\s*=\s*True": "no shell",
    r"# ?(TODO|FIXME|XXX)|raise NotImplementedError|pragma: no cover": "no unfinished code",
}
# Where it is done anyway, and why that is right.
ALLOWED = {
    "mediscan_site/core/work.py": "durable_task itself",
    "mediscan_site/core/tasks.py": "beat's tasks take no key",
    "labeling/management/commands/export_dataset.py": "unpacks the archive it has just made",
    "mediscan_site/front/errors.py": "answers 404 whatever is asked, and does nothing",
    "templates/parts/field.html": "help texts are our own and Django's; its password rules are a list",
}


@pytest.mark.parametrize("pattern", BANNED, ids=BANNED.get)
def test_what_is_never_done_is_not_done(pattern):
    searched = [*sources(*FOLDERS), *(ROOT / "templates").rglob("*.html")]
    hits = {shown(path) for path in searched if re.search(pattern, path.read_text(), re.MULTILINE)}
    assert hits - set(ALLOWED) == set()


def test_torch_loads_only_weights():
    calls = [
        f"{shown(path)}:{node.lineno}"
        for path in sources(*FOLDERS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "torch.load"
        and not any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
    ]
    assert calls == []


def templates() -> list[Path]:
    found = sorted((ROOT / "templates").rglob("*.html"))
    assert len(found) > 20
    return found


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (r"<script(?![^>]*\bsrc=)[^>]*>", "an inline script"),
        (r"<style\b", "an inline style sheet"),
        (r"<[^>]+\sstyle\s*=", "a style attribute"),
        (r"<[^>]+\son[a-z]+\s*=", "an event attribute"),
        (r"\b(?:src|srcset|action|data-src)\s*=\s*[\"'](?:https?:)?//", "something from another host"),
        (r"<link[^>]+href\s*=\s*[\"'](?:https?:)?//", "a style sheet from another host"),
        (r"javascript:", "a javascript: address"),
        (r"\bhx-on\b|\bhx-vals=[\"']js:", "code in an htmx attribute"),
    ],
)
def test_no_template_holds(pattern, what):
    hits = [shown(path) for path in templates() if re.search(pattern, path.read_text(), re.IGNORECASE)]
    assert hits == [], what


def test_no_script_or_style_sheet_of_ours_fetches_from_another_host():
    ours = [*(ROOT / "static" / "js").rglob("*.js"), *(ROOT / "static" / "css").rglob("*.css")]
    found = re.compile(r"""(?:url\(|import\s+|fetch\(|src\s*=\s*)["']?https?://""")
    assert ours
    assert [shown(path) for path in ours if found.search(path.read_text())] == []


def test_imports_obey_the_law(capsys):
    broken = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    said = capsys.readouterr().out
    assert not broken, said
    assert "0 broken" in said


MACHINE_PATH = re.compile(r"(?<![\w.$~:/-])/(?:home|Users|root|work|mnt)/[A-Za-z0-9_]")
TEXT = {".py", ".md", ".toml", ".txt", ".html", ".css", ".js", ".csv", ".yaml", ".yml", ".conf", ".sh", ".example", ""}


def test_the_repository_speaks_of_no_path_of_a_machine():
    skipped = {".git", ".venv", ".venv-load", "__pycache__", "results", "node_modules", "vendor"}
    hits = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part in skipped or (part.startswith(".") and part.endswith("_cache")) for part in parts)
        if not hidden and ".hypothesis" not in parts and path.is_file() and path.suffix in TEXT:
            text = path.read_text(errors="replace")
            hits += [f"{shown(path)}: {found.group()}" for found in MACHINE_PATH.finditer(text)]
    assert hits == []
