"""What keeps people with disabilities out of a page, as axe-core finds it."""

from functools import cache
from importlib.resources import files

import pytest

THEMES = ("light", "dark")


@cache
def _axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed (requirements-dev.txt)")
    return files(package).joinpath("axe.min.js").read_text(encoding="utf-8")


def findings(page) -> list[str]:
    """Of any severity, in both themes. Only colours differ between them."""
    page.evaluate(_axe())
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if theme == "dark" else {})
        said = page.evaluate("options => axe.run(document, options)", options)["violations"]
        found += [f"{theme}: {row['id']} {node['html'][:120]}" for row in said for node in row["nodes"]]
    return found
