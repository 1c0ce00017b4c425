"""English sentences of services as a German page says them."""

import re
import time

import polib
import pytest
from django.conf import settings
from django.utils import translation
from django.utils.safestring import mark_safe

from mediscan_site.core import sentences
from mediscan_site.core.sentences import LONGEST, in_language
from words.of_sentences import SENTENCES

PLACE = re.compile(r"%\((\w+)\)s")
CATALOGUE = settings.BASE_DIR / "locale" / "de" / "LC_MESSAGES" / "django.po"
RELEASE = "Check whether it shows who the patient is, then release it."


@pytest.fixture
def german():
    with translation.override("de"):
        yield


def filled(template: str) -> str:
    """A sentence as a service says it: each place with something that is no word of ours."""
    if not PLACE.search(template):
        return template
    return PLACE.sub(lambda match: f"‹{match[1]}›", template).replace("%%", "%")


def test_each_sentence_has_german_with_the_same_places():
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))}
    wrong = {said for said in SENTENCES if sorted(PLACE.findall(said)) != sorted(PLACE.findall(known.get(said, "")))}
    assert wrong == set()
    assert all(known[said] for said in SENTENCES)


def test_each_sentence_is_known_again_whatever_was_put_in(german):
    said = {template: in_language(filled(template)) for template in SENTENCES}
    assert {template: got for template, got in said.items() if got != filled(translation.gettext(template))} == {}


def test_a_value_that_is_a_sentence_is_said_too(german):
    burned = "Its file says that text is burned into the picture."
    said = in_language(f"img000001 is held back: {burned} {RELEASE}")
    assert said.startswith("img000001 wird zurückgehalten: Laut Datei ist Text in das Bild eingebrannt. Prüfen Sie")


def test_several_sentences_in_a_row_are_told_apart(german):
    said = in_language("The scan was erased. img000001 has no test scans. Approve more scans and freeze it again.")
    assert said.startswith("Die Aufnahme wurde gelöscht. img000001 hat keine Testaufnahmen. Geben Sie weitere")


def test_what_stands_in_front_of_a_sentence_stays(german):
    assert in_language("img000001: The scan was erased.") == "img000001: Die Aufnahme wurde gelöscht."


def test_a_list_of_parts_is_said_part_by_part(german):
    said = in_language(
        "Row 1 of the labels file says 'NORMAL'; row 2 of a.csv says 'OPACITY': none of them counts until somebody labels "
        "the scan."
    )
    assert said == (
        "Zeile 1 (Label-Datei) sagt „NORMAL“; Zeile 2 (a.csv) sagt „OPACITY“: Nichts davon zählt, bis jemand die Aufnahme "
        "beurteilt."
    )


@pytest.mark.parametrize(
    "name", ["(.*)+$", "%(name)s %s %", "'] is named twice.", "held out", "<b>", "The scan was erased."]
)
def test_what_somebody_typed_stays_as_it_was_typed(german, name):
    assert in_language(f"The class '{name}' is named twice.") == f"Die Klasse „{name}“ ist zweimal genannt."


def test_a_part_that_begins_or_ends_a_sentence_is_known(german):
    said = in_language("Row 1 of the labels file says 'ZEBRA'. This row names no scan. Fill in image_id.")
    assert said == "Zeile 1 (Label-Datei) sagt „ZEBRA“. Diese Zeile nennt keine Aufnahme. Füllen Sie image_id aus."
    said = in_language("Row 2 of the labels file: age must be a whole number.")
    assert said == "Zeile 2 (Label-Datei): age muss eine ganze Zahl sein."


def test_names_of_classes_are_never_translated(german):
    assert in_language("The project already has a class 'Doctor'.") == "Das Projekt hat bereits eine Klasse „Doctor“."
    assert in_language("Doctor is now called Answer.") == "Doctor heißt jetzt Answer."


def test_a_word_of_ours_is_said_where_only_such_can_stand(german):
    said = in_language("You may not grade scans in this project. Ask an administrator for this right.")
    assert said.startswith("Sie dürfen in diesem Projekt nicht: Aufnahmen einschätzen lassen. ")


def test_what_is_not_known_is_shown_as_it_is(german):
    for text in ("", "Nobody has ever said this. Nor this.", "OPACITY", "Das ist schon deutsch. Es bleibt so."):
        assert in_language(text) == text


def test_english_is_not_touched():
    assert in_language("The scan was erased.") == "The scan was erased."
    with translation.override(None):
        assert in_language("The scan was erased.") == "The scan was erased."


def test_marked_html_is_not_touched_and_nothing_becomes_it(german):
    assert in_language(mark_safe("<p>The scan was erased.</p>")) == "<p>The scan was erased.</p>"
    assert not hasattr(in_language("The scan was erased."), "__html__")


def test_too_long_a_text_is_not_looked_at(german):
    long = "The scan was erased. " * (LONGEST // 20)
    assert in_language(long) == long


@pytest.mark.parametrize(
    "text",
    [
        "The folder says '" + "', the labels file '" * 150 + "': neither counts",
        "The scan was erased; " * 180,
        "x: " * 1200,
        ". ".join(["img1 is held back: a"] * 150),
        "A is left empty: " * 200 + ".",
    ],
)
def test_no_text_takes_long(german, text):
    sentences.known()
    began = time.process_time()
    in_language(text[:LONGEST])
    assert time.process_time() - began < 2
