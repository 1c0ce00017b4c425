"""The rules of DICOM PS3.15 Annex E: the Basic Application Level Confidentiality Profile and what its options keep.

`confidentiality_profile.csv` is Table E.1-1 (edition 2026c): tag, keyword, the profile's action and the options that
keep the element. Private elements, curves (50xx) and the data and comments of overlays (60xx) are part of the
table too; they are ranges and are in the code. An element that neither the table nor the data dictionary knows is not
kept: nobody can clear what nobody can name.
"""

import csv
from pathlib import Path
from typing import Final, Literal, NamedTuple

Action = Literal["removed", "emptied", "dummy", "uid", "date", "kept", "checked"]

_TABLE: Final = Path(__file__).with_name("confidentiality_profile.csv")
# Where the profile leaves a choice between less and more conformance, the element stays, without its value.
_ACTIONS: Final[dict[str, Action]] = {
    "X": "removed", "Z": "emptied", "D": "dummy", "U": "uid",
    "X/Z": "emptied", "Z/D": "emptied", "X/Z/D": "emptied", "X/D": "removed", "X/Z/U*": "checked",
}  # fmt: skip
_DATE_VRS: Final = frozenset({"DA", "DT", "TM"})
_BINARY_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_TEXT_VRS: Final = frozenset({"AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})

# Free text that the table leaves alone is kept only where it is about the machine or the coding, not about a person.
_SAFE_TEXT: Final = frozenset({
    "AcquisitionDeviceProcessingCode", "CodeMeaning", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion",
    "ConvolutionKernel", "FilterType", "LUTExplanation", "LongCodeValue", "Manufacturer", "ManufacturerModelName",
    "ModalityLUTType", "PhosphorType", "PulseSequenceName", "ReceiveCoilName", "RescaleType", "SequenceName",
    "SoftwareVersions", "TransmitCoilName", "WindowCenterWidthExplanation",
})  # fmt: skip
# Pixels, and the tables that turn them into a picture.
_SAFE_BINARY: Final = frozenset({
    "AlphaPaletteColorLookupTableData", "BluePaletteColorLookupTableData", "DoubleFloatPixelData",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "FloatPixelData", "GreenPaletteColorLookupTableData",
    "LUTData", "PixelData", "RedPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
})  # fmt: skip


class Rule(NamedTuple):
    """The profile's action for one element, and the options under which it is kept."""

    action: Action
    kept_with: frozenset[str]


def _load() -> dict[int, Rule]:
    with _TABLE.open(encoding="ascii", newline="") as file:
        return {
            int(row["tag"], 16): Rule(_ACTIONS[row["action"]], frozenset(row["kept_with"].split()))
            for row in csv.DictReader(file)
        }


RULES: Final = _load()


def action_for(tag: int, keyword: str, vr: str, options: frozenset[str]) -> Action:
    """What happens to an element: `keyword` is '' for one that the data dictionary does not know.

    'checked': it stays if its value is what its type promises; a sequence stays and its items are gone through."""
    group = tag >> 16
    if group % 2 or 0x5000 <= group <= 0x50FF or _is_overlay(tag) or not keyword:
        return "removed"
    rule = RULES.get(tag)
    if rule is None:
        return _by_type(keyword, vr, options)
    if "dates" in rule.kept_with & options and vr in _DATE_VRS:
        return "date"
    return "kept" if rule.kept_with & options - {"dates"} else rule.action


def _is_overlay(tag: int) -> bool:
    """All of 60xx: without the overlay's data its geometry says nothing."""
    return 0x6000 <= tag >> 16 <= 0x60FF


def _by_type(keyword: str, vr: str, options: frozenset[str]) -> Action:
    """For an element that the table leaves alone."""
    if vr in _DATE_VRS:
        return "date" if "dates" in options else "removed"
    if vr == "UI":
        return "checked" if keyword.endswith("ClassUID") or keyword == "TransferSyntaxUID" else "uid"
    if vr in _TEXT_VRS:
        return "checked" if keyword in _SAFE_TEXT else "removed"
    if vr in _BINARY_VRS:
        return "checked" if keyword in _SAFE_BINARY else "removed"
    return "removed" if vr == "PN" else "checked"
