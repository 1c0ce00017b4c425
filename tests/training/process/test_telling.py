"""The sentence with which a run ends is whole, however much there is to say."""

from types import SimpleNamespace

import pytest

from training.engine.config import TrainConfig
from training.process.telling import ROOM, outcome

LONGEST_START = (
    "From scratch with resnet_detail (made for small things in scans in colour): no pre-trained weights in WEIGHTS_DIR."
)


def packed(*, members: int = 1, best: int = 3, note: str = "", left_out: int = 0):
    return SimpleNamespace(
        fitted=SimpleNamespace(members=members, best_epoch=best, history=[SimpleNamespace(note=note)]),
        left_out=left_out,
    )


def test_the_longest_sentence_fits_and_is_whole(settings):
    settings.TRAINING_LATENCY_BUDGET_MS = 100_000
    config = TrainConfig(epochs=500, members=5, self_supervised=500)
    told = outcome(packed(members=4, best=500, note="odd", left_out=1), config, 10_000_000, LONGEST_START)
    assert told == (
        "Best epoch 500 of 500 in the first of 4 networks. Some epochs have a note. "
        "Before: 500 epochs without labels, also on 10000000 unlabelled scans. "
        "1 of 5 networks left out to answer within 100000 ms."
    )
    assert len(told) <= ROOM == 200


@pytest.mark.parametrize(("start", "said"), [("Continues from model7.", True), ("x" * 181, False), ("x" * 180, True)])
def test_how_it_started_is_said_where_there_is_room_for_all_of_it(start, said):
    told = outcome(packed(), TrainConfig(epochs=36), None, start)
    assert told == (f"Best epoch 3 of 36. {start}" if said else "Best epoch 3 of 36.")
