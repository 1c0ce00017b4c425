"""One pass over a dataset: every element, at every depth, gets what the table says."""

import re
from collections.abc import Callable
from typing import Any, Final

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID, SecondaryCaptureImageStorage

from images.decoding import icc
from images.decoding.ages import OLDER, OLDEST_KEPT
from images.decoding.deid import conformance, pixels, table, values
from images.decoding.deid.options import DeidOptions, Report

IMPLEMENTATION_CLASS_UID: Final = "2.25.251083417312404312350172387106245107733"
IMPLEMENTATION_VERSION: Final = "MEDISCAN"
MAX_DEPTH: Final = 24
MAX_ROWS: Final = 2000  # a hostile file may have millions of elements; a person reads some dozens

_PROFILE: Final = "DICOM PS3.15 2026c Basic Profile"
_METHODS: Final = {
    "profile": ("113100", "Basic Application Confidentiality Profile"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
    "dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
}
_PATIENT: Final = ("PatientName", "PatientID")
_PSEUDONYM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_SHAPES: Final[dict[str, re.Pattern[str]]] = {
    "AS": re.compile(r"(\d{3}[DWMY])?", re.ASCII),
    "DS": re.compile(r"([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)?", re.ASCII),
    "IS": re.compile(r"([+-]?\d+(\.0*)?)?", re.ASCII),
    "CS": re.compile(r"[A-Za-z0-9 _*+./-]{0,16}", re.ASCII),
    "UI": re.compile(r"[0-9.]{0,64}", re.ASCII),
    **{vr: re.compile(r"[^\0]{0,64}") for vr in ("AE", "LO", "SH", "UC", "UR")},
    **{vr: re.compile(r"[^\0]{0,1024}") for vr in ("LT", "ST", "UT")},
}
_NUMBERS: Final = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_LABEL_VRS: Final = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_PIXELS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})


def deidentify(dataset: Dataset, options: DeidOptions) -> Report:
    """Clean a dataset in place, its file meta information and preamble too. The picture stays as it is."""
    options_kept = _kept(options)
    patient = _patient(dataset, options)
    days = values.shift_days(options.secret, patient or _study(dataset)) if options.shift_dates else None
    cleaning = _Pass(options.secret, options_kept, days, _text(dataset, "SOPClassUID"))
    for what in pixels.clean(dataset):
        cleaning.note("(7FE0,0010)", f"PixelData: {what}", "removed")
    cleaning.clean(dataset)
    _sign(dataset, patient, options_kept)
    _clean_file(dataset)
    profile = "; ".join([_PROFILE, *(_METHODS[name][1] for name in sorted(options_kept))])
    return Report(profile=profile, actions=cleaning.rows(), shift_days=days)


def _kept(options: DeidOptions) -> frozenset[str]:
    wanted = {
        "patient": options.keep_patient_characteristics,
        "institution": options.keep_institution,
        "dates": options.shift_dates,
    }
    return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


def _patient(dataset: Dataset, options: DeidOptions) -> str:
    """The pseudonym to write into the file; '' where nothing says who the patient is."""
    given = options.patient_override or ""
    if _PSEUDONYM.fullmatch(given):
        return given
    raw = given or _text(dataset, "PatientID")
    return values.new_patient(options.secret, raw) if raw else ""


def _study(dataset: Dataset) -> str:
    """Without a patient the dates of one study still move together."""
    return _text(dataset, "StudyInstanceUID") or _text(dataset, "SOPInstanceUID")


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "").strip(" \0")
    # What cannot be read is removed below; here it says nothing.
    except Exception:
        return ""


class _Pass:
    """Goes through one dataset and notes what it did, each element once however often it occurs."""

    def __init__(self, secret: bytes, kept: frozenset[str], days: int | None, sop_class: str) -> None:
        self._secret = secret
        self._sop_class = sop_class
        self._kept = kept
        self._days = days
        self._rows: dict[tuple[str, str, str], None] = {}
        self._unnamed = False
        self._do: dict[table.Action, Callable[[DataElement], str]] = {
            "emptied": self._emptied,
            "dummy": self._dummy,
            "uid": self._uid,
            "date": self._date,
            "kept": self._retained,
            "checked": self._checked,
        }

    def rows(self) -> list[dict[str, str]]:
        rows = [{"tag": tag, "keyword": keyword, "action": action} for tag, keyword, action in self._rows]
        if self._unnamed:
            rows.append({"tag": "", "keyword": "more elements", "action": "removed"})
        return rows

    def clean(self, dataset: Dataset, path: str = "", depth: int = 0, parent: str = "") -> None:
        for tag in list(dataset.keys()):
            keyword, action = "", "removed"
            if not tag.is_private:
                keyword, action = self._treat(dataset, tag, path, depth, parent)
            if action == "removed":
                del dataset[tag]
            if action:
                replaced = not path and keyword in _PATIENT and action == "emptied"
                shown = f"({tag.group:04X},xxxx)" if tag.is_private else _shown(tag)
                name = keyword or ("private" if tag.is_private else "unknown")
                self.note(path + shown, name, "replaced" if replaced else action)

    def _treat(self, dataset: Dataset, tag: BaseTag, path: str, depth: int, parent: str) -> tuple[str, str]:
        """The keyword of a standard element and what was done to it: '' for nothing, 'removed' for what is to go."""
        keyword = ""
        try:
            element = dataset[tag]
            keyword = element.keyword
            action = table.action_for(tag, keyword, element.VR, self._kept)
            if depth > MAX_DEPTH or not keyword or not _type_is_right(tag, element.VR):
                return keyword, "removed"
            if keyword == "ICCProfile" and (colours := icc.numbers_of(element.value or b"")):
                return keyword, _replaced(element, colours)
            demanded = conformance.demand(self._sop_class, parent, keyword)
            if element.VR == "SQ" and _stays(keyword, action, demanded):
                for item in element.value:
                    self.clean(item, f"{path}{_shown(tag)} > ", depth + 1, keyword)
                return keyword, ""
            label = self._label(element) if demanded == "1" and not element.is_empty else ""
            done = "removed" if action == "removed" else self._do[action](element)
            return keyword, self._conforming(element, done, demanded, label)
        # A value that cannot be read cannot be cleared either, whatever its parser raises.
        except Exception:
            return keyword, "removed"

    def _label(self, element: DataElement) -> str:
        """What a value that says something is replaced by where it may not be empty."""
        is_label = conformance.is_label(element.keyword) and element.VR in _LABEL_VRS
        if is_label:
            return values.label(self._secret, str(element.value))
        dummy = values.dummy(element.VR)
        return dummy if isinstance(dummy, str) else ""

    def _conforming(self, element: DataElement, done: str, demanded: conformance.Demand, label: str) -> str:
        """An element that its IOD demands is not removed; and where it may not be empty, it is not emptied either."""
        if label and done in ("removed", "emptied"):
            element.value = label
            return "replaced"
        if element.VR == "SQ" and done == "emptied" and demanded != "2":
            return "removed"  # a sequence without items is lawful as type 2 alone (PS3.5 section 7.4)
        # What says something and has no dummy, such as a colour profile, goes: empty it would be no better.
        if done == "removed" and (demanded == "2" or (demanded and element.is_empty)):
            element.clear()
            return "emptied"
        return done

    def note(self, tag: str, keyword: str, action: str) -> None:
        if len(self._rows) < MAX_ROWS:
            self._rows[tag, keyword, action] = None
        else:
            self._unnamed = True

    def _emptied(self, element: DataElement) -> str:
        if element.is_empty:
            return ""
        element.clear()
        return "emptied"

    def _dummy(self, element: DataElement) -> str:
        if element.VR == "SQ":
            return self._emptied(element)
        value = values.dummy(element.VR)
        if value is None:
            return "removed"
        element.value = value
        return "replaced"

    def _uid(self, element: DataElement) -> str:
        if element.VR != "UI":
            return "removed"
        old = [str(uid) for uid in _each(element)]
        new = [values.new_uid(self._secret, uid) for uid in old]
        if new == old:
            return ""
        element.value = new if len(new) > 1 else new[0]
        return "replaced"

    def _date(self, element: DataElement) -> str:
        old = [str(value or "") for value in _each(element)]
        new = [values.shifted(value, element.VR, self._days or 0) for value in old]
        if any(value is None for value in new):
            return self._emptied(element)
        if element.VR == "TM" or not any(new):
            return ""
        element.value = new if len(new) > 1 else new[0]
        return "shifted"

    def _retained(self, element: DataElement) -> str:
        if element.is_empty:
            return ""
        if not _fits(element):
            return "removed"
        if element.keyword == "PatientAge" and element.value[3:] == "Y" and int(element.value[:3]) > OLDEST_KEPT:
            element.value = f"{OLDER:03d}Y"
            return "replaced"
        return "kept"

    def _checked(self, element: DataElement) -> str:
        return "" if _fits(element) else "removed"


def _replaced(element: DataElement, value: bytes) -> str:
    if element.value == value:
        return ""
    element.value = value
    return "replaced"


def _stays(keyword: str, action: table.Action, demanded: conformance.Demand) -> bool:
    """Whether a sequence stays and its items are gone through."""
    if action in ("checked", "kept"):
        return True
    return action == "emptied" and demanded == "1" and conformance.only_refers(keyword)


def _each(element: DataElement) -> list[Any]:
    return list(element.value) if isinstance(element.value, MultiValue) else [element.value]


def _fits(element: DataElement) -> bool:
    """Whether each value has the form that its type promises: a name in place of a number or code has not."""
    shape = _SHAPES.get(element.VR)
    return shape is None or all(shape.fullmatch(str(value or "").strip(" ")) for value in _each(element))


def _type_is_right(tag: BaseTag, vr: str) -> bool:
    """Whether the file gives the element a type that the data dictionary gives it (a tag of a range: any type)."""
    if not dictionary_has_tag(tag):
        return True
    allowed = set(dictionary_VR(tag).split(" or "))
    return vr in allowed or any(vr in family and allowed & family for family in (_NUMBERS, _PIXELS))


def _shown(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


def _sign(dataset: Dataset, patient: str, kept: frozenset[str]) -> None:
    """Say whose file it is now, and that it was de-identified and how (PS3.15, E.1.1)."""
    for keyword in _PATIENT:
        setattr(dataset, keyword, patient)
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if "dates" in kept else "REMOVED"
    dataset.DeidentificationMethod = IMPLEMENTATION_VERSION
    dataset.DeidentificationMethodCodeSequence = [_code(name) for name in ("profile", *sorted(kept))]


def _code(name: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = _METHODS[name]
    item.CodingSchemeDesignator = "DCM"
    return item


def _clean_file(dataset: Dataset) -> None:
    """File meta information with nothing but what reading needs; the sender's program and addresses are gone."""
    old = dataset.file_meta
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(_text(dataset, "SOPClassUID") or SecondaryCaptureImageStorage)
    meta.MediaStorageSOPInstanceUID = UID(_text(dataset, "SOPInstanceUID") or "2.25.0")
    meta.TransferSyntaxUID = old.TransferSyntaxUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
