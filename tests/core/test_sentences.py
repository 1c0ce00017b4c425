"""English sentences of services as a German page says them."""

import re
import time

import polib
import pytest
from django.conf import settings
from django.utils import translation
from django.utils.safestring import mark_safe

from mediscan_site.core import sentences
from mediscan_site.core.sentences import LONGEST, Template, in_language
from words import places
from words.of_sentences import SENTENCES

PLACE = re.compile(r"%\((\w+)\)s")
CATALOGUE = settings.BASE_DIR / "locale" / "de" / "LC_MESSAGES" / "django.po"
# As somebody could call a class, a project, a file or themselves.
NAMES = (
    "Inverted papilloma",
    "not known",
    "scan artefact",
    "upside down stomach",
    "Scan archive",
    "held out",
    "fold 3",
    "row 2 of 3",
    "The project is archived.",
    "The scan was erased.",
    "a: b",
    "a: The scan was erased.",
    "a; b",
    "A, B (left)",
    "50 %",
)
RELEASE = "Check whether it shows who the patient is, then release it."


@pytest.fixture
def german():
    with translation.override("de"):
        yield


def filled(template: str, german: str = "", **values: str) -> str:
    """A sentence as a service says it: each place with something that is no word of ours. A part with few letters is known by
    the numbers at its edges."""
    if not PLACE.search(template):
        return german or template
    known = Template.of(template)
    part = not template.endswith((".", "!", "?")) and known.weight < sentences.LIGHT
    shown = {name: str(number) if part else f"‹{name}›" for number, name in enumerate(known.places, 1)} | values
    return PLACE.sub(lambda match: shown[match[1]], german or template).replace("%%", "%")


def test_each_sentence_has_german_with_the_same_places():
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))}
    wrong = {said for said in SENTENCES if sorted(PLACE.findall(said)) != sorted(PLACE.findall(known.get(said, "")))}
    assert wrong == set()
    assert all(known[said] for said in SENTENCES)


def test_each_sentence_is_known_again_whatever_was_put_in(german):
    said = {template: in_language(filled(template)) for template in SENTENCES}
    wanted = {template: filled(template, translation.gettext(template)) for template in SENTENCES}
    assert {template: got for template, got in said.items() if got != wanted[template]} == {}


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


def of_names(template: str) -> list[str]:
    """The places of a template that may hold a name."""
    read = places.WORDS | places.ONLY.keys()
    found = Template.of(template).places
    return [name for name in found if name not in read and not places.is_said(name, template)]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_as_it_is_in_every_place_that_may_hold_one(german, name):
    # A light part is known with numbers alone; `fold a: The scan was erased.` is a file of that name, and what is said of it.
    light = {of for of in SENTENCES if not of.endswith(".") and Template.of(of).weight < sentences.LIGHT}
    apart = light if name == "a: The scan was erased." else set()
    asked = [(of, place) for of in SENTENCES if of not in apart for place in of_names(of)]
    said = {(of, place): in_language(filled(of, **{place: name})) for of, place in asked}
    assert {key: got for key, got in said.items() if name not in got} == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_as_it_is_in_a_sentence_within_another(german, name):
    inside = {
        f"The model is not calibrated: class {name} has 3 cases, at least 10 are needed": f"Klasse {name} ",
        f"Not calibrated (class {name} has 3 cases, at least 10 are needed): no confidence is shown, and every scan is "
        "referred.": f"Klasse {name} ",
        f"This model does not know the class {name}, which came after its training: it gives such scans another class. Train "
        "a new model with scans of it.": name,
        f"The same picture comes several times: 1.png says '{name}'; {name} says 'B'. None of them counts until somebody "
        "labels it.": name,
        f"Row 1 of the labels file says '{name}'; row 2 of {name} says 'B': none of them counts until somebody labels the "
        "scan.": name,
    }
    assert {text: got for text, kept in inside.items() if kept not in (got := in_language(text))} == {}


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_before_a_colon_stays_as_it_is(german, name):
    assert in_language(f"{name}.png: This scan was erased.") == f"{name}.png: Diese Aufnahme wurde gelöscht."


def test_only_whole_sentences_are_said_after_a_colon(german):
    for text in (
        "img000001: held out",
        "img000001: Inverted papilloma",
        "x: a waveform",
        "x: The scan was erased. Nobody knows this.",
    ):
        assert in_language(text) == text


def test_a_text_that_can_be_parted_in_two_ways_is_left_as_it_is(german):
    for text in (
        "epoch 1 of 2 of 3",
        "img1 has classes that img2 has classes that img3 does not know. Evaluate a version",
    ):
        assert in_language(text) == text


def test_a_place_that_is_named_twice_holds_the_same_twice():
    template = Template.of("%(name)s is %(name)s.")
    assert template.values("a is a.") == ["a", "a"]
    assert template.values("a is b.") is None


def test_the_places_that_are_read_exist():
    named = {name for template in SENTENCES for name in PLACE.findall(template)}
    gone = {place for place in places.WORDS | places.ONLY.keys() if place not in named}
    gone |= {
        (place, begins)
        for place, beginnings in places.SAID.items()
        for begins in beginnings
        if not any(of.startswith(begins) and place in PLACE.findall(of) for of in SENTENCES)
    }
    assert gone == set()
    listed = {one for some in places.ONLY.values() for one in some} | {*places.ROWS, *places.FOLDS}
    assert listed <= set(SENTENCES)
    assert not places.SAID.keys() & places.ONLY.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Not calibrated (too few calibration scans): no confidence is shown, and every scan is referred.", "too few"),
        ("Referred for it: validation scans 5%; upside down 91%; inverted 80%.", "upside down"),
        ("fold 1.2: epoch 3 of 5", "epoch"),
        ("Grey, 32 px a side, squashed to a square", "squashed"),
        ("The project has retired the class OPACITY, which this model still answers.", "the class"),
        ("Passed over: other file beside the scans.", "other file"),
        ("Not enough approved scans: A has 1 of at least 5 in train; B has 2 of at least 5 in test. Approved scans that do not "
         "count: 3: It was marked as ungradable. Label and approve more scans, or set their split.", "ungradable"),
    ],
)  # fmt: skip
def test_what_is_put_in_of_ours_is_said(german, text, said):
    assert said in text
    assert said not in in_language(text)


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
