"""What a DICOM file says about its scan, under the names that a labels file uses (keys of ScanFacts).

Nothing is changed here: the patient id and the date are as the file gives them. What is kept of it is decided by the
project's de-identification, which runs after this.
"""

from typing import Final

from pydicom import Dataset

from images.decoding.dicom import codes, elements
from images.decoding.dicom.identity import patient
from images.decoding.dicom.moments import age, moment
from images.decoding.dicom.spacing import spacing
from images.scan_facts import FACTS, Fact

Tags = dict[str, str | float | None]

_FOREIGN: Final = "{} is written in a character set that the file does not name, so it is not kept."


def tags(dataset: Dataset, groups: Dataset, notes: list[str]) -> Tags:
    """The facts of a file. `groups` has the first frame's functional groups flattened (see pixels.settings)."""
    taken = moment(dataset, groups)
    gaps = spacing(dataset, groups, notes)
    texts: Tags = {fact.name: _said((groups, dataset), fact, notes) for fact in FACTS.values() if fact.keywords}
    return texts | {
        "patient": patient(dataset),
        "view": codes.modified(str(texts["view"] or codes.view(dataset)), dataset)[: FACTS["view"].max_length].strip(),
        "body_part": texts["body_part"] or codes.body_part(dataset, groups)[: FACTS["body_part"].max_length],
        "pixel_spacing": gaps.mm,
        "pixel_spacing_at": gaps.at,
        "capture_date": taken.isoformat() if taken else None,
        "age": age(dataset, taken, notes),
    }


def _said(sources: tuple[Dataset, ...], fact: Fact, notes: list[str]) -> str:
    """The first of the fact's elements that is filled, at most as long as a form takes it."""
    for keywords in fact.keywords:
        for source in sources:
            words = " ".join(filter(None, (elements.text(source, keyword) for keyword in keywords.split())))
            if words and any(elements.in_foreign_letters(source, keyword) for keyword in keywords.split()):
                notes.append(_FOREIGN.format(fact.label))
            elif words:
                return words[: fact.max_length]
    return ""
