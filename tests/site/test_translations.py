"""The catalogue of the pages' words: all of it German, none of it stale, and no word of a page left out."""

import re
import shutil
import subprocess
from pathlib import Path

import polib
import pytest
from django.utils import translation
from django.utils.translation.template import templatize

from mediscan_site.front import gathering
from mediscan_site.front.templatetags.mediscan import badge, words

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "de" / "LC_MESSAGES"
APPS = ("mediscan_site", "images", "labeling", "models_registry", "training", "words")
# What a translation must keep: values, marks of emphasis, addresses, and the one word that a script replaces.
KEPT = re.compile(r"%\(\w+\)0?\d*[sd]|\{\w*\}|%%\w?|</?\w+[^>]*>|\bNUMBER\b")
KEYWORDS = (
    "gettext_noop", "gettext_lazy", "ngettext_lazy:1,2", "pgettext:1c,2", "npgettext:1c,2,3", "pgettext_lazy:1c,2",
    "npgettext_lazy:1c,2,3",
)  # fmt: skip


def german() -> polib.POFile:
    return polib.pofile(str(CATALOGUE / "django.po"))


def pairs(entry: polib.POEntry) -> list[tuple[str, str]]:
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    one, many = entry.msgstr_plural[0], entry.msgstr_plural[1]
    return [(entry.msgid, one), (entry.msgid_plural, many)]


def faults(entry: polib.POEntry) -> list[str]:
    said = ["fuzzy: a guess of gettext"] if "fuzzy" in entry.flags else []
    for english, other in pairs(entry):
        if not other:
            said.append("no German")
        elif sorted(KEPT.findall(english)) != sorted(KEPT.findall(other)):
            said.append("other values or marks than in English")
        elif other.count('"') != english.count('"'):
            said.append('a straight ": it would end an attribute of the page')
    return said


def test_every_word_has_german_with_the_same_values():
    assert {entry.msgid: faults(entry) for entry in german() if faults(entry)} == {}


def test_faults_of_a_translation_are_seen():
    assert faults(polib.POEntry(msgid="%(n)s scans", msgstr="Aufnahmen")) == ["other values or marks than in English"]
    assert faults(polib.POEntry(msgid="a <b>b</b>", msgstr="a <b>b")) == ["other values or marks than in English"]
    assert faults(polib.POEntry(msgid="Save", msgstr="", flags=["fuzzy"])) == ["fuzzy: a guess of gettext", "no German"]
    assert len(faults(polib.POEntry(msgid="“Save”", msgstr='"Sichern"'))) == 1


def test_the_compiled_catalogue_is_that_of_the_text():
    compiled = {(entry.msgctxt, entry.msgid): pairs(entry) for entry in polib.mofile(str(CATALOGUE / "django.mo"))}
    assert compiled == {(entry.msgctxt, entry.msgid): pairs(entry) for entry in german()}, "make messages"


def test_words_of_tables_are_listed_for_the_translator():
    assert gathering.LISTED.read_text(encoding="utf-8") == gathering.listing(), "make messages"


def test_no_word_of_a_page_is_missing_or_left_over(tmp_path):
    if shutil.which("xgettext") is None:
        pytest.skip("xgettext is not installed")
    listed = [str(path) for app in APPS for path in (ROOT / app).rglob("*.py")]
    for number, path in enumerate(sorted((ROOT / "templates").rglob("*.html"))):
        page = tmp_path / f"{number}.py"
        page.write_text(templatize(path.read_text(), origin=path.name), encoding="utf-8")
        listed.append(str(page))
    names = tmp_path / "files"
    names.write_text("\n".join(listed))
    keywords = [f"--keyword={keyword}" for keyword in KEYWORDS]
    command = ["xgettext", "--language=Python", "--from-code=UTF-8", *keywords, f"--files-from={names}", "--output=-"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    said = {(entry.msgctxt, entry.msgid) for entry in polib.pofile(found)}
    known = {(entry.msgctxt, entry.msgid) for entry in german()}
    assert sorted(id_ for _, id_ in said - known) == [], "not in the catalogue: make messages"
    assert sorted(id_ for _, id_ in known - said) == [], "no page says it any more: make messages"


def test_a_state_and_a_name_are_said_in_the_reader_s_language():
    with translation.override("de"):
        assert badge("left_out") == '<span class="badge plain">weggelassen</span>'
        assert words("near_duplicate") == "nahezu gleich"
        assert words("OPACITY") == "OPACITY"
    assert badge("left_out") == '<span class="badge plain">left out</span>'
