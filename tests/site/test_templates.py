"""What the templates look like to a reader: short lines, and no file that nothing uses."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
LONGEST_LINE = 140
LONGEST_FILE = 300
APPS = ("mediscan_site", "images", "labeling", "models_registry", "training")
# An element that is a line or more of its own; anything else may be inside a sentence.
BLOCKS = (
    "article|aside|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|legend|li|main|nav|ol|option|p"
    "|section|select|summary|table|tbody|td|th|thead|tr|ul"
)
TWO_BLOCKS = re.compile(rf"</?(?:{BLOCKS})\b(?:[^>{{]|{{{{.*?}}}}|{{%.*?%}})*>.*<(?:{BLOCKS})\b")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))


def long_lines(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if len(line) > LONGEST_LINE]


def crowded_lines(text: str) -> list[int]:
    """Lines on which a second block begins."""
    return [number for number, line in enumerate(text.splitlines(), 1) if TWO_BLOCKS.search(line)]


def badly_indented(text: str) -> list[int]:
    """Lines that are not indented by steps of two spaces, or end in white space."""
    good = re.compile(r"(?:  )*\S(?:.*\S)?|")
    return [number for number, line in enumerate(text.splitlines(), 1) if not good.fullmatch(line)]


def unused(folder: Path, sources: str) -> list[str]:
    """Templates that neither another one nor the code names. A template that names only itself is not used."""
    texts = {name: (folder / name).read_text() for name in names(folder)}
    return [
        name
        for name in texts
        if f'"{name}"' not in sources and not any(f'"{name}"' in text for other, text in texts.items() if other != name)
    ]


def code() -> str:
    return "\n".join(path.read_text() for app in APPS for path in (ROOT / app).rglob("*.py"))


@pytest.mark.parametrize("name", names(TEMPLATES))
def test_a_template_can_be_read_on_a_screen(name):
    text = (TEMPLATES / name).read_text()
    assert long_lines(text) == []
    assert crowded_lines(text) == []
    assert len(text.splitlines()) <= LONGEST_FILE
    assert badly_indented(text) == []


def test_every_template_is_used():
    assert unused(TEMPLATES, code()) == []


@pytest.mark.parametrize(
    ("line", "crowded"),
    [
        ("<tr><td>{{ row.name }}</td>", True),
        ("<dt>Scans</dt><dd>3</dd>", True),
        ('<p class="{% if x > 1 %}a{% endif %}">one</p>{% if y %}<p>two</p>{% endif %}', True),
        ('<p>One <a href="/">link</a>, <strong>bold</strong><br>and more.</p>', False),
        ("</tr>", False),
    ],
)
def test_the_check_sees_a_second_block_on_a_line(line, crowded):
    assert bool(crowded_lines(line)) is crowded


def test_the_check_sees_a_template_that_nothing_uses(tmp_path):
    (tmp_path / "page.html").write_text('{% include "_used.html" %}')
    (tmp_path / "_used.html").write_text("used")
    (tmp_path / "_alone.html").write_text('{% include "_alone.html" %}')
    assert unused(tmp_path, 'render(request, "page.html")') == ["_alone.html"]


def test_the_check_sees_long_lines_and_odd_indentation():
    assert badly_indented("<p>\n  a\n\n   b\n\tc\n  d \n</p>") == [4, 5, 6]
    assert long_lines("a\n" + "b" * (LONGEST_LINE + 1)) == [2]
