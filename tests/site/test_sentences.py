"""Sentences of services are found in the source, as templates with places."""

import re

import pytest

from mediscan_site.front import sentences

SOURCE = '''
"""A docstring is no sentence. It has words."""
HELD = "It is held back. " "Look at it first."
SHAPES = "The spacing ({:g} × {:g} mm) cannot be used."


def services(scan, n, found, log):
    """Neither is this one. It has words."""
    log.warning("Somebody reads this in a log. Nobody else.")
    raise Invalid(f"{scan.code} has {n:,} of {found['n']:.3f} parts. {HELD}")


def many(number, scans, first, second):
    more = f" and {number} more" if number else ""
    some = (
        f"Scans {', '.join(scans)}{more} wait. "
        "Look again."
    )
    raise Conflict(f"{number} scan{'' if number == 1 else 's'} of {first.code} and {second.code}, or of {first.code}, wait.")


def translated(share):
    raise ValueError("This is said to a developer. It stays.")
    return _("Translators know this one. It stays too."), f"It is 50% of {share} here."
'''


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_what_an_f_string_puts_in_becomes_a_place(module):
    found = sentences.of_module(module)
    assert "%(code)s has %(n)s of %(n_2)s parts. %(held)s" in found


def test_what_is_put_in_now_and_then_makes_two_sentences(module):
    found = sentences.of_module(module)
    assert "%(number)s scan of %(code)s and %(code_2)s, or of %(code)s, wait." in found
    assert "%(number)s scans of %(code)s and %(code_2)s, or of %(code)s, wait." in found
    assert {"Scans %(scans)s wait. Look again.", "Scans %(scans)s and %(number)s more wait. Look again."} <= found


def test_constants_and_what_format_fills_are_found_too(module):
    found = sentences.of_module(module)
    assert "It is held back. Look at it first." in found
    assert "The spacing (%(value)s × %(value_2)s mm) cannot be used." in found


def test_a_percent_sign_beside_a_place_is_doubled(module):
    assert "It is 50%% of %(share)s here." in sentences.of_module(module)


def test_what_is_for_developers_logs_and_translators_is_left_out(module):
    said = " ".join(sentences.of_module(module))
    assert not re.search("docstring|Neither|log|developer|Translators", said)


def test_parts_of_sentences_are_found_where_they_are_asked_for(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('WHY = {"a": "too few scans"}\n', encoding="utf-8")
    assert sentences.of_module(path) == set()
    assert sentences.of_module(path, parts=True) == {"too few scans"}


def test_sentences_are_listed_for_the_translator():
    assert sentences.LISTED.read_text(encoding="utf-8") == sentences.listing(), "make messages"
