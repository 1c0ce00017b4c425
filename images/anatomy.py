"""Whether two statements of a body part, a view or a side contradict each other: the words and codes that people and devices
use, as sets of what they may mean (DICOM PS3.16 Annex L for body parts, PS3.3 C.8.7.1.1 and C.8.11.7.1.2 for views).

A word that is not known here means nothing, and contradicts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

Meant = frozenset[str]


def _table(rows: Mapping[str, str]) -> dict[str, Meant]:
    """{words: meanings} -> {word: meanings}; meanings are separated by spaces."""
    return {word: frozenset(meant.split()) for words, meant in rows.items() for word in words.split(", ")}


_PARTS: Final = _table(
    {
        "chest, thorax, lung, lungs, thoracic, pulmonary, rib, ribs, sternum, clavicle, heart, cardiac, mediastinum": "chest",
        "abdomen, abdominal, stomach, liver, pancreas, spleen, kidney, kidneys, bowel, colon, kub, gallbladder": "abdomen",
        "pelvis, pelvic, hip, hips, bladder, prostate, uterus, sacrum, sijoint": "pelvis",
        "head, skull, brain, cranium, cranial, neuro": "head",
        "face, facial, orbit, orbits, sinus, sinuses, nose, zygoma, maxilla, mandible, jaw, tmj": "head face",
        "tooth, teeth, dental, jaws": "teeth face head",
        "eye, eyes, retina, fundus, ocular, macula": "eye",
        "ear, ears, iac, mastoid": "ear head",
        "neck, throat, thyroid, larynx, carotid": "neck",
        "cspine, cervicalspine": "spine neck",
        "tspine, thoracicspine": "spine chest",
        "lspine, lumbarspine, lsspine, lumbar, lumbosacral": "spine abdomen",
        "spine, vertebra, vertebrae, vertebral, spinal, wholespine": "spine",
        "breast, breasts, mamma, mammary, mammography": "breast",
        "shoulder, shoulders, scapula, acjoint": "shoulder",
        "arm, humerus, upperarm": "arm",
        "elbow": "elbow arm",
        "forearm, radius, ulna": "forearm arm",
        "wrist, carpus": "wrist hand",
        "hand, hands, finger, fingers, thumb": "hand",
        "leg, femur, thigh, upperleg": "leg",
        "knee, knees, patella": "knee leg",
        "lowerleg, tibia, fibula, calf": "lowerleg leg",
        "ankle, ankles": "ankle foot",
        "foot, feet, toe, toes, heel, calcaneus": "foot",
        "skin, dermis": "skin",
        "blood, bonemarrow": "blood",
    }
)
_VIEWS: Final = _table(
    {
        "pa, posteroanterior, posterioranterior": "pa",
        "ap, anteroposterior, anteriorposterior": "ap",
        "frontal, front, coronal": "pa ap",
        "ll, leftlateral": "ll",
        "rl, rightlateral": "rl",
        "lateral, lat, side, sagittal": "ll rl lm ml",
        "oblique, obl": "lao rao lpo rpo lo ro mlo",
        "lao, rao, lpo, rpo": "lao rao lpo rpo lo ro",
        "rlo, ro": "rao rpo ro",
        "llo, lo": "lao lpo lo",
        "rld, lld, decubitus": "rld lld",
        "cc, craniocaudal": "cc",
        "mlo, mediolateraloblique": "mlo",
        "ml, mediolateral": "ml",
        "lm, lateromedial": "lm",
        "axial, axillary, tangential, skyline, sunrise": "axial",
    }
)
_SIDES: Final = _table(
    {
        "l, left, links, gauche": "left",
        "r, right, rechts, droite": "right",
        "b, both, bilateral": "both",
        "u, unpaired": "unpaired",
    }
)
_EVERY: Final = {"body_part": _PARTS, "view": _VIEWS, "laterality": _SIDES}
# What a message suggests where nothing of a text is known.
EXAMPLES: Final = {
    "body_part": "chest, hand, breast, fundus",
    "view": "PA, AP, lateral, MLO",
    "laterality": "left or right",
}


def meanings(kind: str, text: str) -> Meant:
    """What a text says of "body_part", "view" or "laterality"; nothing where no word of it is known."""
    words = re.findall(r"[a-zà-ÿ]+", text.lower())
    table = _EVERY[kind]
    pairs = ["".join(pair) for pair in pairwise(words)]
    known = [word for word in pairs if word in table]
    # "left lateral" is one view, and not the side and any lateral.
    single = [] if known else [part for word in words for part in _known_parts(word, table)]
    return frozenset().union(*(table[word] for word in (*known, *single)))


def _known_parts(word: str, table: Mapping[str, Meant]) -> list[str]:
    """The word itself, or the two words that a code such as CHESTABDOMEN is written of."""
    if word in table:
        return [word]
    for cut in range(3, len(word) - 2):
        if word[:cut] in table and word[cut:] in table:
            return [word[:cut], word[cut:]]
    return []


def contradict(kind: str, one: str, other: str) -> bool:
    """Both are known and have no meaning in common."""
    first, second = meanings(kind, one), meanings(kind, other)
    return bool(first and second and not first & second)
