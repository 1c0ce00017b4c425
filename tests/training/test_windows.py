import pytest

from models_registry.inference.looks import MAX_CHANNELS, Look
from models_registry.inference.names import SQUASH, WINDOWS
from training import windows

EVERY = [*windows.BY_PART.values(), windows.GENERAL, windows.of(["KNEE"])]


@pytest.mark.parametrize("known", EVERY)
def test_every_preset_is_a_look_with_different_windows(known):
    assert Look(WINDOWS, SQUASH, known).channels == len(set(known)) <= MAX_CHANNELS


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["CHEST"], (-600, 1500)),
        (["CHEST", "CHEST", "HEAD"], (-600, 1500)),
        (["Lunge", "lung", "thorax"], (-600, 1500)),
        (["HEAD"], (40, 80)),
        (["BRAIN", "SKULL"], (40, 80)),
        (["CHESTABDOMEN"], (-600, 1500)),
        (["ABDOMEN"], (40, 400)),
        (["WRIST", "ELBOW"], (400, 1800)),
        (["LSPINE"], (50, 250)),
    ],
)
def test_a_ct_is_seen_as_what_it_shows_is_usually_looked_at(said, expected):
    assert windows.of(said)[0] == expected


@pytest.mark.parametrize("said", [[], ["quux"], ["HEAD", "CHEST", "ABDOMEN"], ["HEAD", "CHEST"]])
def test_what_nobody_says_or_what_is_mixed_is_seen_in_general(said):
    assert windows.of(said) == windows.GENERAL


def test_the_window_of_the_files_comes_first_unless_a_preset_shows_the_same():
    known = windows.of(["CHEST"])
    assert windows.joined(None, known) == known
    assert windows.joined((50, 350), known) == known
    assert windows.joined((-500, 1400), known) == known
    assert windows.joined((600, 300), known) == ((600, 300), *known[:2])
