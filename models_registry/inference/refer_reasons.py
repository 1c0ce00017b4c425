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
    OTHER_BODY_PART = (
        "other_body_part",
        "The scan is of another body part than the project is for.",
        "Read the scan yourself, or grade it in a project of its body part. Correct the body part if that is wrong.",
    )
    OTHER_VIEW = (
        "other_view",
        "The scan was taken in another view than the project is for.",
        "Read the scan yourself. Correct the view if that is wrong.",
    )
    OTHER_LATERALITY = (
        "other_laterality",
        "The scan shows the other side of the body than the project is for.",
        "Read the scan yourself. Correct the side if that is wrong.",
    )
    OTHER_AGE = (
        "other_age",
        "The patient is younger or older than those the project is for.",
        "Read the scan yourself: bodies of other ages look different, and the model has not learned how.",
    )
    TOO_SMALL = (
        "too_small",
        "The picture has far fewer pixels than those the model has learned from, so details may be missing.",
        "Read the scan yourself, or send it again in its original size.",
    )
    BLANK = (
        "blank",
        "The picture is of one grey, or almost: it shows nothing.",
        "Look at the file that was sent, and export the scan again.",
    )
    NOISE = (
        "noise",
        "The picture is noise: neighbouring pixels have nothing to do with each other.",
        "Look at the file that was sent, and export the scan again.",
    )
    MOSTLY_EMPTY = (
        "mostly_empty",
        "Nearly all of the picture is empty: the scan may be cut off, or a small picture on a large page.",
        "Read the scan yourself, or cut the picture out and send it again.",
    )
    INVERTED = (
        "inverted",
        "The picture seems to be a negative of what the model has learned: dark and bright are exchanged.",
        "Read the scan yourself, or invert it and send it again.",
    )
    TURNED = (
        "turned",
        "The picture seems to be turned or upside down.",
        "Read the scan yourself, or turn it upright and send it again.",
    )
    UNLIKE_TRAINING = (
        "unlike_training",
        "The scan does not resemble the scans that the model has learned from.",
        "Read the scan yourself. If it is of the kind that the project is for, label it: the next model can learn from it.",
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
    ACCURACY_ALARM = (
        "accuracy_alarm",
        "Doctors who had not seen the model's answers agreed with them less often than its test promised.",
        "Read the scan yourself until an administrator has looked at the alarm and decided.",
    )
