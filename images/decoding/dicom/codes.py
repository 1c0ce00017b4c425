"""Coded entries (PS3.3 section 8.8) as the short words that their text elements use.

Sources: PS3.16 CID 4010, 4014 and 4015 (views and their modifiers; the codes of SNOMED CT and the older SRT),
PS3.3 C.8.11.7 and C.8.11.5.
"""

from typing import Final

from pydicom import Dataset

from images.decoding.dicom.elements import items, text

_VIEWS: Final = {
    "AP": ("399348003", "R-10206"),
    "PA": ("272479007", "R-40888", "R-10214"),
    "LL": ("399173006", "R-10236"),
    "RL": ("399198007", "R-10232"),
    "LATERAL": ("399067008", "R-102CD"),
    "LAO": ("399135007", "R-10220"),
    "LPO": ("399006002", "R-10212"),
    "RAO": ("399356000", "R-40985", "R-10218"),
    "RPO": ("399038007", "R-10210"),
    "CC": ("399162004", "R-10242"),
    "XCCL": ("399192008", "R-1024A"),
    "XCCM": ("399101009", "R-1024B"),
    "FB": ("399196006", "R-10244"),
    "MLO": ("399368009", "R-10226"),
    "ML": ("399260004", "R-10224"),
    "LM": ("399352003", "R-10228"),
    "LMO": ("399099002", "R-10230"),
    "SIO": ("399188001", "R-102D0"),
    "ISO": ("441555000", "R-40AAA"),
}
# CID 4015, with the short forms of mammography (IHE Mammography Image; ACR).
_MODIFIERS: Final = {
    "ID": ("399209000", "R-102D5"),
    "M": ("399163009", "R-102D6"),
    "S": ("399055006", "R-102D7"),
    "CV": ("399161006", "R-102D2"),
    "AT": ("399011000", "R-102D1"),
    "RL": ("399197002", "R-102D3"),
    "RM": ("399226006", "R-102D4"),
    "RS": ("415670009", "R-102C9"),
    "RI": ("414493004", "R-102CA"),
    "TAN": ("399110001", "R-102C2"),
    "NP": ("442581004", "R-40AB3"),
    "AC": ("441752004", "P2-00161"),
    "IMF": ("442593008", "R-40ABE"),
    "AX": ("442580003", "R-40AB2"),
}
_MODIFIER_OF: Final = {code: modifier for modifier, codes in _MODIFIERS.items() for code in codes}
_VIEW_OF: Final = {code: view for view, codes in _VIEWS.items() for code in codes}


def view(dataset: Dataset) -> str:
    """The view that ViewCodeSequence names: its usual abbreviation, else the meaning of the code."""
    return next((_VIEW_OF.get(_code(item)) or _meaning(item) for item in items(dataset, "ViewCodeSequence")), "")


def modified(view: str, dataset: Dataset) -> str:
    """The view with what ViewModifierCodeSequence adds to it: a magnified or implant-displaced view is another picture."""
    sources = (*items(dataset, "ViewCodeSequence")[:1], dataset)
    coded = [item for source in sources for item in items(source, "ViewModifierCodeSequence")]
    words = dict.fromkeys(filter(None, (_MODIFIER_OF.get(_code(item)) or _meaning(item).lower() for item in coded)))
    return " ".join([view, *(word for word in words if word not in view.split())]).strip()


def body_part(dataset: Dataset, groups: Dataset) -> str:
    """The region that AnatomicRegionSequence names, in the capitals of BodyPartExamined's terms. `groups`: the first
    frame's functional groups, flattened."""
    found = items(groups, "AnatomicRegionSequence") or items(dataset, "AnatomicRegionSequence")
    return _meaning(found[0]).upper() if found else ""


def _code(item: Dataset) -> str:
    return text(item, "CodeValue") or text(item, "LongCodeValue")


def _meaning(item: Dataset) -> str:
    return text(item, "CodeMeaning")
