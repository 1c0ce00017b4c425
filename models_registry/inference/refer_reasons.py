"""Why a model gives a scan back to a doctor: the one list, from which the predictor, the pages and the API take theirs."""

from __future__ import annotations

from enum import StrEnum


class ReferReason(StrEnum):
    """The code that is stored and sent, what it means in a sentence for a doctor, and what helps. Grades keep their codes for
    good: a code is never taken away or given another meaning."""

    sentence: str
    remedy: str

    def __new__(cls, code: str, sentence: str, remedy: str) -> ReferReason:
        member = str.__new__(cls, code)
        member._value_, member.sentence, member.remedy = code, sentence, remedy
        return member

    BELOW_THRESHOLD = (
        "below_threshold",
        "The model is not sure enough of this scan to answer.",
        "Read the scan yourself and label it: such scans teach the next model most.",
    )
    NOT_CALIBRATED = (
        "not_calibrated",
        "The model cannot tell how sure it is, because it could not be calibrated, and so it answers no scan.",
        "Read the scan yourself. Train again with more labelled scans in the validation split.",
    )
    OTHER_MODALITY = (
        "other_modality",
        "The scan is of another modality than the model has learned.",
        "Read the scan yourself, or grade it in a project of its modality. Correct its modality if that is wrong.",
    )
    SITE_NOT_ACCEPTED = (
        "site_not_accepted",
        "The model was not accepted for the place where this scan was taken.",
        "Read the scan yourself. An administrator can have the model tested there (acceptance test).",
    )
    WATCH_ALARM = (
        "watch_alarm",
        "The scans of this place no longer look like those the model was validated on.",
        "Read the scan yourself until an administrator has looked at the alarm and decided.",
    )
