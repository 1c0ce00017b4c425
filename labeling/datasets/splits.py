"""Which scan goes to which split. Pure: no database, no Django.

A *key* is something that must not be on two sides: a patient, a content (equal bytes, equal pixels), a scan together with
its near-duplicates. A key gets its side once and keeps it. A scan that would put a key on a second side is left out and named;
nothing already placed moves. Only after a correction of what is known about the scans (patients merged, a patient found
out late) can two placed scans share a key across sides: then the test side keeps it, then validation.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

TRAIN, VAL, TEST = "train", "val", "test"
SIDES = (TRAIN, VAL, TEST)
# Who keeps a scan when a data set brings a leak along: the test side, then validation.
PRECEDENCE = (TEST, VAL, TRAIN)
FRACTIONS: Mapping[str, float] = {TRAIN: 0.60, VAL: 0.15, TEST: 0.25}
MINIMUM: Mapping[str, int] = {TRAIN: 2, VAL: 1, TEST: 1}

JOINS_TWO_SIDES = "joins_two_sides"
OTHER_SIDE = "group_on_other_side"


@dataclass(frozen=True)
class Item:
    """A scan. `split`: the side it was given or already holds (None: any). `locked`: it was in an earlier data set."""

    id: int
    class_id: int
    keys: frozenset[str]
    split: str | None = None
    locked: bool = False


@dataclass
class Assignment:
    """`sides`: item id to side. `left_out`: item id to reason. `keys`: every key to its side, earlier ones included."""

    sides: dict[int, str] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def demands(self, item: Item) -> set[str]:
        """The sides this item is bound to by its keys and its given split."""
        bound = {self.keys[key] for key in item.keys if key in self.keys}
        return bound | {item.split} if item.split else bound

    def place(self, item: Item, side: str) -> None:
        self.sides[item.id] = side
        self.keys.update(dict.fromkeys(item.keys, side))

    def refuse(self, item: Item) -> None:
        bound = {self.keys[key] for key in item.keys if key in self.keys}
        self.left_out[item.id] = JOINS_TWO_SIDES if len(bound) > 1 else OTHER_SIDE


def assign(
    items: Iterable[Item],
    *,
    known: Mapping[str, str],
    seed: int,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Assignment:
    """Place every item on a side or leave it out. `known`: the sides that keys were given before.

    The same input and seed give the same result, in whatever order the items come."""
    pending = sorted(items, key=lambda item: item.id)
    result = Assignment(keys=dict(known))
    _keep_locked(result, [item for item in pending if item.locked and item.split])
    _place_given(result, [item for item in pending if item.split and not item.locked])
    rest = _follow(result, [item for item in pending if not item.split])
    shuffler = random.Random(seed)  # noqa: S311 -- not a secret, a reproducible shuffle
    _stratify(result, components(rest), shuffler, fractions, count(pending, result.sides))
    return result


def count(items: Iterable[Item], sides: Mapping[int, str]) -> dict[int, dict[str, int]]:
    """Class id to side to number of placed items."""
    counts: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SIDES, 0))
    for item in items:
        if item.id in sides:
            counts[item.class_id][sides[item.id]] += 1
    return counts


def _by_precedence(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (PRECEDENCE.index(item.split or TRAIN), item.id))


def _keep_locked(result: Assignment, items: Sequence[Item]) -> None:
    """An item of an earlier data set stays, or is left out when one of its keys is now on a side with precedence.

    Its keys come along, even from a side that they were given earlier."""
    claimed: dict[str, str] = {}
    for item in _by_precedence(items):
        side = item.split or TRAIN
        if any(claimed.get(key, side) != side for key in item.keys):
            result.refuse(item)
        else:
            result.place(item, side)
            claimed.update(dict.fromkeys(item.keys, side))


def _place_given(result: Assignment, items: Sequence[Item]) -> None:
    """Given splits are kept, in order of precedence."""
    for item in _by_precedence(items):
        demands = result.demands(item)
        if len(demands) == 1:
            result.place(item, demands.pop())
        else:
            result.refuse(item)


def _follow(result: Assignment, items: Sequence[Item]) -> list[Item]:
    """Items without a split follow the side of their keys; the rest, bound to nothing, is returned."""
    free: list[Item] = []
    for group in components(items):
        waiting = group
        while placed := _place_bound(result, waiting):
            waiting = [item for item in waiting if item.id not in placed]
        for item in waiting:
            if result.demands(item):
                result.refuse(item)
            else:
                free.append(item)
    return free


def _place_bound(result: Assignment, items: Sequence[Item]) -> set[int]:
    """Place the items bound to exactly one side, for the first side (by precedence) that binds any. Returns their ids."""
    for side in PRECEDENCE:
        bound = [item for item in items if result.demands(item) == {side}]
        for item in bound:
            result.place(item, side)
        if bound:
            return {item.id for item in bound}
    return set()


def components(items: Sequence[Item]) -> list[list[Item]]:
    """Items grouped by shared keys, directly or through others; each group and the list of groups in order of id."""
    parent = {item.id: item.id for item in items}

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    holder: dict[str, int] = {}
    for item in items:
        for key in item.keys:
            a, b = root(item.id), root(holder.setdefault(key, item.id))
            parent[max(a, b)] = min(a, b)
    groups: dict[int, list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.id):
        groups[root(item.id)].append(item)
    return [groups[key] for key in sorted(groups)]


def _main_class(group: Sequence[Item]) -> int:
    counts: dict[int, int] = defaultdict(int)
    for item in group:
        counts[item.class_id] += 1
    return min(counts, key=lambda class_id: (-counts[class_id], class_id))


def _stratify(
    result: Assignment,
    groups: list[list[Item]],
    shuffler: random.Random,
    fractions: Mapping[str, float],
    placed: Mapping[int, Mapping[str, int]],
) -> None:
    """New groups: by class, large ones first, each to the side furthest below its share. `placed`: what is there already."""
    shuffler.shuffle(groups)
    groups.sort(key=len, reverse=True)
    by_class: dict[int, list[list[Item]]] = defaultdict(list)
    for group in groups:
        by_class[_main_class(group)].append(group)
    for class_id in sorted(by_class):
        have = {side: placed.get(class_id, {}).get(side, 0) for side in SIDES}
        _spread(result, by_class[class_id], have, fractions)


def _spread(
    result: Assignment, groups: Sequence[Sequence[Item]], have: dict[str, int], fractions: Mapping[str, float]
) -> None:
    total = sum(have.values()) + sum(len(group) for group in groups)
    targets = {side: share * total for side, share in fractions.items()}
    for number, group in enumerate(groups):
        side = _neediest(have, len(groups) - number, targets)
        for item in group:
            result.place(item, side)
        have[side] += len(group)


def _neediest(have: Mapping[str, int], groups_left: int, targets: Mapping[str, float]) -> str:
    empty = [side for side in (TRAIN, TEST, VAL) if have[side] == 0]
    if empty and groups_left <= len(empty):
        return empty[0]
    return max(SIDES, key=lambda side: targets[side] - have[side])


def shortfalls(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What is missing before a model can be trained, in words; `counts` is class name to side to number of scans."""
    missing = [
        f"{name} has {counts[name].get(side, 0)} of at least {MINIMUM[side]} in {side}"
        for name in counts
        for side in SIDES
        if counts[name].get(side, 0) < MINIMUM[side]
    ]
    if len(counts) < 2:
        missing.append("at least two classes are needed")
    return missing
