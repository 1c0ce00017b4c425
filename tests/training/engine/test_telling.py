"""Whether colour tells classes apart better than grey does: on pictures whose classes are made of one or the other."""

import numpy as np
import pytest

from training.engine import telling

TINT = np.array([60.0, 0.0, -60.0])


def pictures(count: int, *, shade=0.0, hue=0.0, seed: int = 0):
    """Tinted blots; of class 1 brighter by `shade` and redder, at the same grey, by `hue`."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    grey = random.normal(120, 12, (count, 1, 1, 1)) + random.normal(0, 10, (count, 32, 32, 1))
    grey += shade * labels.reshape(-1, 1, 1, 1)
    # Red up and green down leave the grey level of ITU-R BT.601 as it is.
    turned = hue * labels.reshape(-1, 1, 1, 1) * np.array([1.0, -0.299 / 0.587, 0.0])
    made = grey + TINT + turned + random.normal(0, 8, (count, 1, 1, 3))
    return np.clip(made, 0, 255).astype(np.uint8), labels, [f"patient {number}" for number in range(count)]


def test_what_differs_in_colour_alone_is_told_by_colour():
    found = telling.compare(*pictures(80, hue=40))
    assert found.colour > 0.95
    assert found.grey < 0.7
    assert found.gain > 3 * found.error


def test_what_differs_in_brightness_is_told_as_well_by_grey():
    found = telling.compare(*pictures(80, shade=60))
    assert found.grey > 0.95
    assert found.gain <= found.error or abs(found.gain) < 0.03


def test_where_nothing_differs_neither_tells_and_colour_is_not_better_by_more_than_its_noise_often():
    found = [telling.compare(*pictures(80, seed=seed)) for seed in range(8)]
    assert np.mean([one.grey for one in found]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([one.colour for one in found]) == pytest.approx(0.5, abs=0.1)
    assert sum(one.gain > 2 * one.error for one in found) <= 1


def test_a_rare_class_weighs_as_much_as_the_others():
    scans, labels, groups = pictures(200, hue=40)
    kept = np.flatnonzero((labels == 0) | (np.arange(200) < 16))
    found = telling.compare(scans[kept], labels[kept], [groups[number] for number in kept])
    # Whoever calls everything by the frequent class has a half.
    assert found.colour > 0.85


def test_one_patient_is_never_on_both_sides():
    """Class and patient are one: who could recognise the patient would be right, and who is held out cannot be."""
    random = np.random.default_rng(3)
    own = random.normal(120, 40, (10, 32, 32, 3))
    scans = np.clip(own[np.arange(100) % 10] + random.normal(0, 2, (100, 32, 32, 3)), 0, 255).astype(np.uint8)
    labels, groups = np.arange(100) % 10 % 2, [f"patient {number % 10}" for number in range(100)]
    alone = telling.compare(scans, labels, [str(number) for number in range(100)])
    by_patient = telling.compare(scans, labels, groups)
    assert alone.colour == alone.grey == 1.0
    assert max(by_patient.colour, by_patient.grey) < 0.8
    assert by_patient.error > alone.error


def test_the_same_pictures_give_the_same_figures():
    assert telling.compare(*pictures(40, hue=10)) == telling.compare(*pictures(40, hue=10))


@pytest.mark.parametrize("patients", [1, telling.FEWEST - 1])
def test_too_few_patients_or_one_class_alone_tell_nothing(patients):
    scans, labels, _ = pictures(40)
    assert telling.compare(scans, labels, [f"patient {number % (2 * patients)}" for number in range(40)]) is None
    assert telling.compare(scans, np.zeros(40, dtype=np.int64), [str(number) for number in range(40)]) is None


def test_grey_is_no_colour_nor_is_a_coloured_bar_at_the_side_of_an_ultrasound():
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8), 3, axis=3)
    grey[1, 8:24, 31] = (255, 0, 0)
    skin = np.full((1, 32, 32, 3), (200, 150, 120), dtype=np.uint8)
    assert telling.coloured(np.concatenate([grey, skin])).tolist() == [False, False, False, True]
