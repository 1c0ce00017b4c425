import numpy as np
import pytest

from models_registry.inference.architectures import COMPACT
from models_registry.inference.bundle import join_members, pack, unpack
from models_registry.inference.frames import combined, mean_of, of_each_scan, of_scan
from models_registry.inference.knowing.detector import Resemblance
from models_registry.inference.predictor import Predictions, Predictor
from models_registry.inference.refer_reasons import ReferReason
from models_registry.statistics.calibration import softmax
from models_registry.statistics.prior import Prior
from tests.training.engine.builders import make_manifest, make_tiles
from training.engine.setup import initial_network

BLANK = (ReferReason.BLANK,)


def frames(logits, *, distances=None, unreadable=None, spread=None):
    logits = np.asarray(logits, dtype=np.float32)
    n = len(logits)
    return Predictions(
        softmax(logits, 2.0),
        logits,
        calibrated=True,
        features=np.arange(n * 3, dtype=np.float32).reshape(n, 3),
        resemblance=None
        if distances is None
        else Resemblance(np.asarray(distances), tuple(f"p{d}" for d in distances)),
        spread=None if spread is None else np.asarray(spread),
        unreadable=tuple(unreadable or [()] * n),
    )


def put_together(said, **options):
    return combined(said, **{"temperature": 2.0, "prior": None, "spread": lambda features, best: None, **options})


def test_the_answer_is_of_the_mean_of_the_logits_scaled_once():
    one = put_together(frames([[0, 4], [2, 0], [1, 5]]))
    assert np.allclose(one.said.logits, [[1, 3]])
    assert np.allclose(one.said.probabilities, softmax(np.array([[1.0, 3.0]]), 2.0))
    assert (one.used, one.said.classes.tolist()) == ((0, 1, 2), [1])


def test_an_expected_prevalence_is_corrected_once():
    prior = Prior((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), (0.9, 0.1))
    said = put_together(frames([[0, 2], [0, 4]]), prior=prior).said
    plain = softmax(np.array([[0.0, 3.0]]), 2.0)[0] * [0.9, 0.1]
    assert np.allclose(said.probabilities[0], plain / plain.sum())


def test_the_strongest_frame_says_by_itself_most_clearly_what_the_scan_is_said_to_be():
    assert put_together(frames([[0, 1], [0, 5], [3, 0], [0, 5]])).strongest == 1
    # Another frame is surer, but of another class.
    assert put_together(frames([[0, 2], [9, 0], [0, 3]])).strongest == 1


def test_what_is_said_of_one_frame_stays_as_it_is():
    said = frames([[0.1, 0.7]], distances=[3.0], unreadable=[BLANK], spread=[0.2])
    assert put_together(said).said is said


def test_frames_on_which_nothing_can_be_read_take_no_part():
    one = put_together(frames([[0, 4], [8, 0], [0, 2]], unreadable=[(), BLANK, ()]))
    assert (one.used, one.said.unreadable) == ((0, 2), ((),))
    assert np.allclose(one.said.logits, [[0, 3]])
    assert one.strongest == 0


def test_more_than_half_of_unreadable_frames_make_an_unreadable_scan():
    noise = (ReferReason.NOISE,)
    said = frames([[0, 4], [8, 0], [0, 2], [0, 0]], unreadable=[(), noise, BLANK, BLANK])
    assert put_together(said).said.unreadable == (BLANK,)
    half = frames([[0, 4], [8, 0]], unreadable=[(), BLANK])
    assert (put_together(half).said.unreadable, put_together(half).used) == (((),), (0,))


@pytest.mark.parametrize(
    ("distances", "middle"), [([9.0, 0.5, 0.6], 0.6), ([9.0, 0.5], 9.0), ([0.1, 8.0, 9.0, 0.2], 8.0), ([7.0], 7.0)]
)
def test_a_scan_is_as_far_as_its_middle_frame(distances, middle):
    known = put_together(frames([[0, 1]] * len(distances), distances=distances)).said.resemblance
    assert (known.distances.tolist(), known.postures) == ([middle], (f"p{middle}",))


def test_the_networks_disagree_about_the_mean_of_what_they_read():
    seen = {}

    def spread(features, best):
        seen.update(features=features.tolist(), best=best.tolist())
        return np.array([0.25])

    said = put_together(frames([[0, 4], [0, 2]], spread=[0.1, 0.2]), spread=spread).said
    assert said.spread.tolist() == [0.25]
    assert seen == {"features": [[1.5, 2.5, 3.5]], "best": [1]}


def test_logits_of_frames_become_those_of_scans():
    logits = np.array([[1, 0], [3, 2], [5, 5], [7, 1], [7, 3]], dtype=np.float32)
    found = of_each_scan(logits, np.array([0, 0, 1, 2, 2]))
    assert found.tolist() == [[2, 1], [5, 5], [7, 2]]
    assert of_each_scan(logits, np.arange(5)) is logits
    assert of_each_scan(logits[:0], np.zeros(0, dtype=np.int64)).shape == (0, 2)


def test_the_mean_of_large_and_small_logits_is_not_rounded_away():
    rows = np.array([[1e8], [1.0], [-1e8]], dtype=np.float32)
    assert mean_of(rows)[0] == pytest.approx(1 / 3)


def test_a_predictor_answers_for_several_frames_as_for_their_mean():
    states = [initial_network(COMPACT, 2, seed).state_dict() for seed in (0, 1)]
    predictor = Predictor(unpack(pack(make_manifest(members=2), join_members(states))))
    tiles = make_tiles(6)[0]
    said = predictor.predict(tiles)
    one = of_scan(predictor, said)
    assert np.allclose(one.said.logits[0], said.logits.mean(axis=0), atol=1e-5)
    assert one.said.spread.shape == (1,)
    alone = predictor.predict(np.repeat(tiles[:1], 3, axis=0))
    assert np.allclose(of_scan(predictor, alone).said.spread, predictor.predict(tiles[:1]).spread, atol=1e-6)
