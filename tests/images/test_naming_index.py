"""Whatever a database finds by comparing names, the index of their parts leads to."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from images.naming_index import bounds, parts_of

# Scripts with and without cases, digits of several, letters that change their number with their case, marks, signs.
LETTERS = st.characters(categories=("L", "N", "M", "P", "S", "Zs")) | st.sampled_from("aAzZ09._-# ßẞſıİiIKkµμΣσςǅé胸ы٣")
CASES = (str, str.lower, str.upper, str.swapcase)


@st.composite
def names_and_parts(draw):
    name = draw(st.text(LETTERS, min_size=1, max_size=40))
    start = draw(st.integers(0, len(name) - 1))
    part = name[start : draw(st.integers(start + 1, len(name)))]
    case = draw(st.sampled_from(CASES))
    # As databases do it: letter by letter, and only where one letter stays one.
    return name, "".join(other if len(other := case(letter)) == 1 else letter for letter in part)


@given(names_and_parts())
@example(("STRAẞE_ſum.png", "SUM"))
@example(("kırık.png", "KIRIK"))
@example(("ΟΔΟΣ12.png", "οδος1"))
def test_a_part_of_a_name_in_any_case_is_within_its_bounds(name_and_part):
    name, part = name_and_part
    limits = bounds(part)
    assert limits is None or any(limits[0] <= code <= limits[1] for code in parts_of(name))


@pytest.mark.parametrize("part", ["a.b", "-_-", "", "7", "İx"])
def test_what_no_run_of_letters_tells_is_looked_for_in_the_names_themselves(part):
    assert bounds(part) is None


@given(st.text(LETTERS, max_size=255))
def test_codes_are_numbers_that_every_database_has(name):
    assert all(0 <= code < 2**60 for code in parts_of(name))
