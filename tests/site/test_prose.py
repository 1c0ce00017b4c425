"""Prose stays narrow enough to be read, compared and reviewed: README and documents at no more than 100 columns."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
MAX_COLUMNS = 100
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "findings/README.md", "docs/*.md")

FENCE = re.compile(r"\s*(?P<mark>`{3,}|~{3,})")
# A list mark, a quote or an indent, then one link, picture, code span or word that no line break can divide.
UNBREAKABLE = re.compile(r"[\s>]*(?:[-*+]\s+|\d+[.)]\s+)?(?:!?\[[^\]]*\]\([^)\s]+\)|`[^`]+`|\S+)[.,;:]?\s*")


def documents() -> list[Path]:
    return sorted(path for pattern in DOCUMENTS for path in ROOT.glob(pattern))


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines outside fenced code and tables, except those that consist of a single link."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif mark:
            fence = mark["mark"]
        elif not line.lstrip().startswith("|") and not UNBREAKABLE.fullmatch(line):
            yield number, line


def too_wide(text: str) -> list[int]:
    return [number for number, line in prose(text) if len(line) > MAX_COLUMNS]


def test_the_search_for_wide_prose_finds_it():
    widest = ("word " * MAX_COLUMNS)[:MAX_COLUMNS]
    assert too_wide(widest) == []
    assert too_wide(f"{widest}s") == [1]
    assert too_wide(f"{widest}\n\n- {widest}\n") == [3]
    assert too_wide(f"see [the page](https://host.example/{'a' * MAX_COLUMNS})") == [1]
    assert too_wide(f"## {widest}") == [1]


def test_code_tables_and_single_links_may_be_wider():
    wide = "word " * MAX_COLUMNS
    address = f"https://host.example/{'a' * MAX_COLUMNS}"
    assert too_wide(f"```sh\n{wide}\n```\n") == []
    assert too_wide(f"1. a step:\n   ```\n{wide}\n   ```\n") == []
    assert too_wide(f"| {wide} |\n|---|\n") == []
    for line in (address, f"- {address}", f"[the page]({address})", f"- ![a picture]({address})", f"<{address}>"):
        assert too_wide(line) == [], line


def test_what_follows_code_is_prose_again():
    wide = "word " * MAX_COLUMNS
    assert too_wide(f"```\ncode\n```\n{wide}\n") == [4]
    assert too_wide(f"````\n```\n{wide}\n````\n{wide}\n") == [5]


def test_there_is_prose_to_read():
    names = {str(path.relative_to(ROOT)) for path in documents()}
    assert {"README.md", "CHANGELOG.md", "docs/privacy.md", "docs/training.md"} <= names


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_prose_is_wider_than_a_reader_can_follow(path):
    text = path.read_text(encoding="utf-8")
    assert any(prose(text))
    assert [f"{path.relative_to(ROOT)}:{number}" for number in too_wide(text)] == []
