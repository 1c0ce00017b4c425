"""Whether two statements of a modality contradict each other: the words people use, as codes of DICOM (PS3.3 C.7.3.1.1.1)."""

import re
from typing import Final

_FILM: Final = frozenset({"CR", "DX", "RG", "XR"})
_XRAY: Final = _FILM | {"RF", "XA", "MG", "PX", "IO"}
# Other codes mean themselves alone.
_ALIKE: Final = {
    **dict.fromkeys(_FILM, _FILM),
    "MRI": frozenset({"MR"}),
    "PET": frozenset({"PT"}),
    "OCT": frozenset({"OPT", "IVOCT"}),
    "CBCT": frozenset({"CT"}),
}
_CODES: Final = (*_XRAY, *_ALIKE, "CT", "MR", "US", "IVUS", "NM", "PT", "OP", "OPT", "ES", "DMS", "XC", "SM", "GM")
# Nobody means anything else by them within a sentence, in capitals ("us" and "op" are words too).
_PLAIN: Final = re.compile(r"(?<!\w)(?:CT|CBCT|MR|MRI|PET|OCT|DX|CR|MG)(?!\w)")
_WORDS: Final = (
    (r"x[ -]?rays?|röntgen|radiograph\w*|radiograms?", _XRAY),
    (r"mammogra\w*", frozenset({"MG"})),
    (r"fluoroscop\w*|angiogra\w*", frozenset({"RF", "XA", "CT", "MR"})),
    (r"computed tomography", frozenset({"CT"})),
    (r"magnetic resonance", frozenset({"MR"})),
    (r"ultraso\w+|sonogra\w*|echocardio\w*", frozenset({"US", "IVUS"})),
    (r"scintigra\w*|spect", frozenset({"NM"})),
    (r"positron emission", frozenset({"PT"})),
    (r"fundus|fundoscop\w*", frozenset({"OP"})),
    (r"optical coherence", frozenset({"OPT", "IVOCT"})),
    (r"endoscop\w*|colonoscop\w*|gastroscop\w*", frozenset({"ES"})),
    (r"derm\w*scop\w*", frozenset({"DMS", "XC"})),
    (r"histolog\w*|histopatholog\w*|microscop\w*|whole[ -]slide", frozenset({"SM", "GM"})),
)
_PATTERNS: Final = [(re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE), meant) for words, meant in _WORDS]


def codes(text: str) -> frozenset[str]:
    """The modalities that a text may mean, as in "X-ray", "DX" or "PET/CT"; none where it names none."""
    parts = [part.upper() for part in re.split(r"[\s/,+&\\]+", text.strip())]
    named = parts if all(part in _CODES for part in parts) else _PLAIN.findall(text)
    meant = [_ALIKE.get(code, frozenset({code})) for code in named]
    meant += [found for pattern, found in _PATTERNS if pattern.search(text)]
    return frozenset().union(*meant)


def contradict(one: str, other: str) -> bool:
    """Both name modalities, and no common one. A text that names none contradicts nothing."""
    first, second = codes(one), codes(other)
    return bool(first and second and not first & second)
