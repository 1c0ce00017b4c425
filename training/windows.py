"""The ranges of Hounsfield units in which a CT is looked at, by what it shows.

As radiology departments and viewers set them (centre/width): Radiopaedia, "Windowing (CT)",
https://radiopaedia.org/articles/windowing-ct (brain 40/80, subdural 75/215, lungs -600/1500, mediastinum 50/350, soft tissues of
the abdomen 50/400, liver 30/150, spine 50/250, bone 400/1800, temporal bone 600/2800), and the presets of the OHIF viewer (soft
tissue 40/400, lung -600/1500, liver 90/150, bone 480/2500, brain 40/80). Where sources differ by less than a fifth of the width,
a network can tell no difference: its values are clipped, not chosen.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from images import anatomy
from models_registry.inference.looks import MAX_CHANNELS, Windows

CT: Final = "CT"
_SOFT: Final = (40.0, 400.0)
_LUNG: Final = (-600.0, 1500.0)
_BONE: Final = (400.0, 1800.0)
# What is seen of a CT of which nobody says what it shows.
GENERAL: Final[Windows] = (_LUNG, _SOFT, _BONE)
# By the words of `images.anatomy`; of a scan that shows several of them, the first one here.
BY_PART: Final[dict[str, Windows]] = {
    "ear": ((600.0, 2800.0), _SOFT, (40.0, 80.0)),
    "teeth": ((600.0, 2800.0), _SOFT, _BONE),
    "head": ((40.0, 80.0), (80.0, 200.0), (600.0, 2800.0)),
    "chest": (_LUNG, _SOFT, _BONE),
    "spine": ((50.0, 250.0), _BONE, _SOFT),
    "abdomen": (_SOFT, (60.0, 150.0), _BONE),
    "pelvis": (_SOFT, (50.0, 150.0), _BONE),
    "neck": (_SOFT, _BONE, _LUNG),
}
# Bones and joints of the limbs.
_LIMBS: Final = frozenset(
    ["shoulder", "arm", "elbow", "forearm", "wrist", "hand", "leg", "knee", "lowerleg", "ankle", "foot"]
)
_OF_LIMBS: Final[Windows] = (_BONE, _SOFT)
# A window whose centre lies within this share of another's width, with a width within this factor, shows the same.
_NEAR_CENTRE, _NEAR_WIDTH = 0.2, 1.5


def of(body_parts: Sequence[str]) -> Windows:
    """For a set of CTs, by what their files say of the body part: of most of them, else in general."""
    meant = [anatomy.meanings("body_part", text) for text in body_parts]
    for part, windows in BY_PART.items():
        if _most(part in meanings for meanings in meant):
            return windows
    return _OF_LIMBS if _most(bool(meanings & _LIMBS) for meanings in meant) else GENERAL


def joined(own: tuple[float, float] | None, known: Windows) -> Windows:
    """The window that the files themselves ask for comes first, unless a preset shows the same."""
    if own is None or any(_alike(own, window) for window in known):
        return known
    return (own, *known)[:MAX_CHANNELS]


def _most(said: Iterable[bool]) -> bool:
    answers = list(said)
    return 2 * sum(answers) > len(answers)


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    width, wider = sorted((one[1], other[1]))
    return abs(one[0] - other[0]) <= _NEAR_CENTRE * width and wider <= _NEAR_WIDTH * width
