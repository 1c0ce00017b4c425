"""Which DICOM files are pictures of a patient: told by what they are (the SOP class), not by whether they hold pixels.

A segmentation or a dose distribution has pixels too, and would wait in the queue to be labelled. Sources: PS3.4 table B.5-1,
PS3.3 C.7.3.1.1.1 (modalities).
"""

from typing import Final

from pydicom import FileDataset

from images.decoding.dicom.elements import text
from images.decoding.errors import Undecodable

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
# Families of SOP classes, by what follows _STORAGE. A class is told by the longest entry that it begins with; where its entry
# says nothing, it is a picture of a patient. What no entry names (classes to come, or of a vendor) is told by its modality.
_FAMILIES: Final = {
    "1": "",
    "2": "",
    "3": "",
    "4": "",
    "4.2": "spectra (MR spectroscopy)",
    "5": "",
    "6": "",
    "7": "",
    "8": "an overlay without its picture",
    "9": "a curve without a picture",
    "9.1": "a waveform (such as an ECG)",
    "9.2": "a waveform (haemodynamic)",
    "9.3": "a waveform (cardiac electrophysiology)",
    "9.4": "a sound recording",
    "9.5": "a waveform (arterial pulse)",
    "9.6": "a waveform (respiration)",
    "9.7": "a waveform (such as an EEG)",
    "9.8": "a waveform (body position)",
    "9.100": "a waveform",
    "10": "a table of grey values without a picture",
    "11": "a presentation state (how a picture is to be shown)",
    "12": "",
    "13": "",
    "14": "",
    "20": "",
    "30": "a parametric map (computed values)",
    "66": "raw data of a machine",
    "66.1": "a spatial registration",
    "66.2": "spatial fiducials",
    "66.3": "a deformable registration",
    "66.4": "a segmentation",
    "66.5": "a surface segmentation",
    "66.6": "tractography results",
    "66.7": "a segmentation (label map)",
    "66.8": "a segmentation (height map)",
    "67": "a mapping to real-world values",
    "68": "a surface scan",
    "77": "",
    "77.1.5.3": "a stereometric relationship of two pictures",
    "77.1.5.8": "an analysis of a tomography",
    "78": "measurements of an eye",
    "79": "a report of measurements of an eye",
    "80": "measurements of a visual field",
    "81": "a map of thickness",
    "82": "a map of the cornea",
    "88": "a structured report",
    "88.40": "a log of a procedure",
    "88.59": "a key object selection (a list of pictures)",
    "90": "an assessment of other files",
    "91": "annotations of a picture",
    "104": "an encapsulated document (such as PDF)",
    "104.3": "an encapsulated model (STL)",
    "104.4": "an encapsulated model (OBJ)",
    "104.5": "an encapsulated model (MTL)",
    "128": "",
    "129": "a curve without a picture",
    "130": "",
    "131": "a layout of displays",
    "200": "a protocol of a procedure",
    "201": "an inventory of an archive",
    "481": "a file of radiotherapy",
    "481.1": "",
    "481.2": "a dose distribution of radiotherapy",
    "481.3": "a structure set of radiotherapy",
    "481.4": "a treatment record of radiotherapy",
    "481.5": "a plan of radiotherapy",
    "481.6": "a treatment record of radiotherapy",
    "481.7": "a treatment record of radiotherapy",
    "481.8": "a plan of radiotherapy",
    "481.9": "a treatment record of radiotherapy",
    "481.11": "a segment annotation of radiotherapy",
    "481.23": "",
    "481.24": "",
    "501": "",
    "601": "",
}
# Classes outside the storage of composite objects.
_OTHERS: Final = {
    "1.2.840.10008.1.3.10": "an index of other files (DICOMDIR)",
    "1.2.840.10008.5.1.1.27": "a stored print job",
    "1.2.840.10008.5.1.4.34": "an instruction of radiotherapy",
    "1.2.840.10008.5.1.4.38": "a hanging protocol",
    "1.2.840.10008.5.1.4.39": "a colour palette",
    "1.2.840.10008.5.1.4.43": "a template of an implant",
    "1.2.840.10008.5.1.4.44": "a template of an implant",
    "1.2.840.10008.5.1.4.45": "a template of an implant",
}
_KINDS: Final = {f"{_STORAGE}{family}": kind for family, kind in _FAMILIES.items()} | _OTHERS
_MODALITIES: Final = {
    "ANN": "annotations of a picture",
    "AU": "a sound recording",
    "DOC": "an encapsulated document (such as PDF)",
    "ECG": "a waveform (such as an ECG)",
    "EEG": "a waveform (such as an EEG)",
    "EMG": "a waveform (such as an EEG)",
    "EOG": "a waveform (such as an EEG)",
    "FID": "spatial fiducials",
    "HD": "a waveform (haemodynamic)",
    "KO": "a key object selection (a list of pictures)",
    "M3D": "an encapsulated model (STL)",
    "PLAN": "a plan",
    "PR": "a presentation state (how a picture is to be shown)",
    "REG": "a spatial registration",
    "RESP": "a waveform (respiration)",
    "RTDOSE": "a dose distribution of radiotherapy",
    "RTPLAN": "a plan of radiotherapy",
    "RTRECORD": "a treatment record of radiotherapy",
    "RTSEGANN": "a segment annotation of radiotherapy",
    "RTSTRUCT": "a structure set of radiotherapy",
    "RWV": "a mapping to real-world values",
    "SEG": "a segmentation",
    "SMR": "a stereometric relationship of two pictures",
    "SR": "a structured report",
}
_REFUSED: Final = (
    "This DICOM file is {}, no picture of a patient. Leave it out and upload the image files of the study; of what they show "
    "it says nothing that could be labelled."
)


def require_picture(dataset: FileDataset) -> None:
    """Raise Undecodable `no_picture` for a file that is something else than a picture of a patient, and say what."""
    if kind := _kind(dataset):
        raise Undecodable("no_picture", _REFUSED.format(kind))


def _kind(dataset: FileDataset) -> str:
    """What the file is instead of a picture; '' for a picture and for what nothing is known about."""
    uid = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    parts = uid.split(".")
    for length in range(len(parts), 0, -1):
        family = ".".join(parts[:length])
        if family in _KINDS:
            return _KINDS[family]
    return _MODALITIES.get(text(dataset, "Modality").upper(), "")
