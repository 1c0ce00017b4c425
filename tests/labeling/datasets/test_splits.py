"""Splits: what must hold for any data, and the few rules that decide a case."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.datasets.splits import (
    JOINS_TWO_SIDES,
    OTHER_SIDE,
    SIDES,
    Assignment,
    Item,
    assign,
    components,
    count,
    shortfalls,
)


def item(pk: int, *keys: str, cls: int = 0, split: str | None = None, locked: bool = False) -> Item:
    return Item(id=pk, class_id=cls, keys=frozenset(keys or (f"own{pk}",)), split=split, locked=locked)


@st.composite
def batches(draw) -> list[list[Item]]:
    """Several additions to a data set: few patients and contents, so that they meet often."""
    pk = 0
    additions = []
    for _ in range(draw(st.integers(1, 4))):
        batch = []
        for _ in range(draw(st.integers(0, 12))):
            pk += 1
            keys = draw(st.sets(st.sampled_from("abcdefghij"), min_size=1, max_size=3))
            split = draw(st.sampled_from([None, None, *SIDES]))
            batch.append(item(pk, *keys, cls=draw(st.integers(0, 2)), split=split))
        additions.append(batch)
    return additions


def grow(additions: list[list[Item]], seed: int) -> list[tuple[list[Item], Assignment]]:
    """Freeze after each addition, as the service does: members are locked on their side, keys keep theirs."""
    known: dict[str, str] = {}
    everybody: list[Item] = []
    frozen = []
    for batch in additions:
        everybody = [*everybody, *batch]
        result = assign(everybody, known=known, seed=seed)
        frozen.append((everybody, result))
        known = result.keys
        everybody = [
            item(one.id, *one.keys, cls=one.class_id, split=result.sides[one.id], locked=True)
            if one.id in result.sides
            else one
            for one in everybody
        ]
    return frozen


@given(batches(), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_no_key_ever_stands_on_two_sides(additions, seed):
    ever: dict[str, set[str]] = defaultdict(set)
    for items, result in grow(additions, seed):
        for one in items:
            if one.id in result.sides:
                for key in one.keys:
                    ever[key].add(result.sides[one.id])
    assert all(len(sides) == 1 for sides in ever.values())


@given(batches(), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_whoever_was_placed_never_moves_and_never_leaves(additions, seed):
    before: dict[int, str] = {}
    for _, result in grow(additions, seed):
        assert {pk: result.sides.get(pk) for pk in before} == before
        before = result.sides


@given(batches(), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_every_scan_is_placed_or_left_out_with_a_reason_and_given_splits_are_kept(additions, seed):
    for items, result in grow(additions, seed):
        assert {one.id for one in items} == result.sides.keys() | result.left_out.keys()
        assert not result.sides.keys() & result.left_out.keys()
        assert set(result.left_out.values()) <= {JOINS_TWO_SIDES, OTHER_SIDE}
        for one in items:
            if one.split and one.id in result.sides:
                assert result.sides[one.id] == one.split


@given(batches(), st.integers(0, 3), st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_scans_does_not_matter(additions, seed, shuffler):
    items = [one for batch in additions for one in batch]
    first = assign(items, known={}, seed=seed)
    shuffler.shuffle(items)
    assert assign(items, known={}, seed=seed) == first


def test_new_patients_are_spread_by_class_in_the_wanted_shares():
    items = [item(pk, f"p{pk // 2}", cls=(pk // 2) % 2) for pk in range(400)]
    counts = count(items, assign(items, known={}, seed=1).sides)
    for class_id in (0, 1):
        assert counts[class_id] == {"train": 120, "val": 30, "test": 50}


def test_another_seed_gives_another_split_of_the_same_shares():
    items = [item(pk) for pk in range(100)]
    first, second = (assign(items, known={}, seed=seed).sides for seed in (1, 2))
    assert first != second
    assert count(items, first) == count(items, second)


def test_three_scans_of_a_class_reach_all_three_sides():
    assert set(assign([item(1), item(2), item(3)], known={}, seed=0).sides.values()) == set(SIDES)


def test_a_newcomer_of_a_known_patient_follows_its_side():
    result = assign([item(9, "patient")], known={"patient": "val"}, seed=0)
    assert result.sides == {9: "val"}


def test_a_newcomer_that_would_join_two_sides_is_left_out_and_named():
    result = assign([item(9, "a", "b")], known={"a": "train", "b": "test"}, seed=0)
    assert (result.sides, result.left_out) == ({}, {9: JOINS_TWO_SIDES})


def test_a_newcomer_given_another_side_than_its_patient_is_left_out():
    result = assign([item(9, "a", split="test")], known={"a": "train"}, seed=0)
    assert result.left_out == {9: OTHER_SIDE}


def test_a_leak_is_resolved_for_the_test_side_then_for_validation():
    result = assign(
        [item(1, "p", split="train"), item(2, "p", split="val"), item(3, "p", split="test")], known={}, seed=0
    )
    assert result.sides == {3: "test"}
    assert set(result.left_out) == {1, 2}
    result = assign([item(1, "p", split="train"), item(2, "p", split="val")], known={}, seed=0)
    assert result.sides == {2: "val"}


def test_a_chain_of_copies_and_patients_stays_together():
    chain = [item(1, "a", "b"), item(2, "b", "c"), item(3, "c", "d"), item(4, "d", split="test")]
    assert set(assign(chain, known={}, seed=0).sides.values()) == {"test"}
    assert [len(group) for group in components(chain)] == [4]


def test_who_stood_in_an_earlier_data_set_beats_a_newcomer_on_the_test_side():
    items = [item(1, "p", split="train", locked=True), item(2, "p", split="test")]
    result = assign(items, known={"p": "train"}, seed=0)
    assert (result.sides, result.left_out) == ({1: "train"}, {2: OTHER_SIDE})


def test_shortfalls_name_class_and_side():
    full = {"train": 5, "val": 1, "test": 1}
    assert shortfalls({"A": full, "B": full}) == []
    (missing,) = shortfalls({"A": full, "B": {"train": 5, "val": 0, "test": 1}})
    assert missing == "B has 0 of at least 1 in val"
    assert "at least two classes are needed" in shortfalls({"A": full})
