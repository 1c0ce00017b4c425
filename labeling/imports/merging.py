"""All that several rows say about one picture, put together. Where they contradict each other nothing counts until a person
decides: the picture has no label, the fact is left empty, and both statements are named. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from images.services.meaning import LabelRefused
from labeling.imports.cells import HIDDEN, readable
from labeling.imports.statements import Statement

MAX_SENTENCES: Final = 6
MAX_LABELS_SHOWN: Final = 6
Note = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Voice:
    """A row of a file, with its labels in its own words."""

    file: str
    said: Statement
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Stated:
    """What is said about a file. `label`: a class of the project (active or retired), None for none. `refusal`: (code, detail)
    of a label that cannot be taken, so that the scan is refused. `values`: `parse_facts` takes them all. `notes`: (code, detail)
    of what a person should look at. `contradicted`: rows contradict each other, so no label counts, nor does the folder's."""

    label: str | None = None
    refusal: Note | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    number: int = 0
    contradicted: bool = False


def merged(voices: Sequence[Voice], meanings: Mapping[str, str | LabelRefused]) -> Stated:
    """`meanings`: of each label as written."""
    label, refusal, notes = _label(voices, meanings)
    values, more = _values(voices)
    contradicted = any(code in ("contradictory_row", "several_labels", "uncertain_label") for code, _ in notes)
    return Stated(label, refusal, values, [*notes, *more], voices[0].said.number, contradicted)


def _label(
    voices: Sequence[Voice], meanings: Mapping[str, str | LabelRefused]
) -> tuple[str | None, Note | None, list[Note]]:
    for voice in voices:
        if voice.said.unsure:
            classes = ", ".join(voice.said.unsure)
            return None, None, [("uncertain_label", f"{_where(voice, voices)} is not sure about {classes}: no label.")]
        if len(voice.labels) > 1:
            return None, None, [("several_labels", _several(voice, voices))]
    said = {(_key(label, meanings)): voice for voice in reversed(voices) for label in voice.labels}
    if len(said) > 1:
        return None, None, [("contradictory_row", _contradiction(voices, meanings))]
    for voice in voices:
        for label in voice.labels:
            meaning = meanings[label]
            if isinstance(meaning, LabelRefused):
                return None, (meaning.code, f"{_where(voice, voices)} says '{label}'. {meaning.detail}"), []
            return meaning, None, []
    return None, None, []


def _key(label: str, meanings: Mapping[str, str | LabelRefused]) -> str:
    """Equal for labels that mean the same; what means nothing is equal to its own words only."""
    meaning = meanings[label]
    return f"\0{label}" if isinstance(meaning, LabelRefused) else meaning


def _several(voice: Voice, voices: Sequence[Voice]) -> str:
    shown = ", ".join(voice.labels[:MAX_LABELS_SHOWN]) + (", …" if len(voice.labels) > MAX_LABELS_SHOWN else "")
    return (
        f"{_where(voice, voices)} names several findings ({shown}), and a scan has one class: it came in without a label. "
        "Label it, or send a labels file with image_id and one label a row."
    )


def _contradiction(voices: Sequence[Voice], meanings: Mapping[str, str | LabelRefused]) -> str:
    firsts: dict[str, str] = {}
    for voice in voices:
        for label in voice.labels:
            firsts.setdefault(_key(label, meanings), f"{_where(voice, voices)} says '{label}'")
    return f"{_listed(list(firsts.values()))}: none of them counts until somebody labels the scan."


def _values(voices: Sequence[Voice]) -> tuple[dict[str, str], list[Note]]:
    """The facts that are sure, and what was left empty."""
    found: dict[str, dict[str, Voice]] = {}
    bad: list[str] = []
    for voice in voices:
        good, sentences = _facts(voice)
        bad += [f"{_where(voice, voices)}: {sentence}" for sentence in sentences]
        for name, text in good.items():
            found.setdefault(name, {}).setdefault(text, voice)
    values = {name: next(iter(texts)) for name, texts in found.items() if len(texts) == 1}
    apart = [_apart(name, texts, voices) for name, texts in found.items() if len(texts) > 1]
    notes = [("unreadable_value", _listed(list(dict.fromkeys(bad)), "; "))] if bad else []
    return values, [*notes, *(("contradictory_value", sentence) for sentence in apart)]


def _facts(voice: Voice) -> tuple[dict[str, str], list[str]]:
    if not voice.said.beyond:
        return readable(voice.said.values)
    names = ", ".join(voice.said.values) or "the facts"
    return {}, [f"the row has more cells than the first line, so it is not sure which is which: {names} left empty."]


def _apart(name: str, texts: Mapping[str, Voice], voices: Sequence[Voice]) -> str:
    said = [_where(voice, voices) + ("" if name in HIDDEN else f" says '{text[:40]}'") for text, voice in texts.items()]
    return f"{name} was left empty: {_listed(said)} say different things."


def _where(voice: Voice, voices: Sequence[Voice]) -> str:
    """Row 3, or row 3 of train.csv where several files speak."""
    several = len({one.file for one in voices}) > 1
    return f"row {voice.said.number}" + (f" of {voice.file}" if several else " of the labels file")


def _listed(parts: Sequence[str], between: str = ", ") -> str:
    more = len(parts) - MAX_SENTENCES
    return between.join(parts[:MAX_SENTENCES]) + (f"{between}and {more} more" if more > 0 else "")


def agreed(stated: Stated | None, folder: str | None) -> tuple[str | None, Note | None]:
    """The class of a file whose folder is named for the class `folder` (None: for none), and what to say about it. A row and a
    folder that contradict each other both do not count."""
    if stated is None:
        return folder, None
    if stated.contradicted:
        return None, None
    if stated.label and folder and stated.label != folder:
        detail = f"The folder says '{folder}', the labels file '{stated.label}': neither counts until somebody labels the scan."
        return None, ("folder_conflict", detail)
    return stated.label or folder, None
