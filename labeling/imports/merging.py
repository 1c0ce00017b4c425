"""All that several rows say about one picture, put together. Where they contradict each other nothing counts until a person
decides: the picture has no label, the fact is left empty, and both statements are named. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from images.services.meaning import LabelRefused
from labeling.imports.cells import HIDDEN, MAX_SHOWN, readable
from labeling.imports.statements import Statement

MAX_SENTENCES: Final = 6
# A row that could mark a class and marks none: where readers disagree, this is a statement too.
_NONE: Final = "\0\0"
Note = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Voice:
    """A row of a file, with its labels in its own words."""

    file: str
    said: Statement
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
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
    heard = _Heard(voices, len({voice.file for voice in voices}) > 1)
    label, refusal, notes = _label(heard, meanings)
    values, more = _values(heard)
    told = tuple((code, _sentence(detail)) for code, detail in (*notes, *more))
    refused = (refusal[0], _sentence(refusal[1])) if refusal else None
    return Stated(label, refused, values, told, voices[0].said.number, bool(notes))


def _sentence(detail: str) -> str:
    return detail[:1].upper() + detail[1:]


@dataclass(frozen=True, slots=True)
class _Heard:
    """All rows about one picture; `several`: of several files."""

    voices: Sequence[Voice]
    several: bool

    def where(self, voice: Voice) -> str:
        return f"row {voice.said.number} of {voice.file if self.several else 'the labels file'}"


def _label(heard: _Heard, meanings: Mapping[str, str | LabelRefused]) -> tuple[str | None, Note | None, Sequence[Note]]:
    """The class, the refusal, or why there is neither."""
    firsts: dict[str, tuple[Voice, str]] = {}
    for voice in heard.voices:
        if note := _no_one_class(heard.where(voice), voice):
            return None, None, [note]
        if voice.said.silent:
            firsts.setdefault(_NONE, (voice, "none of the classes"))
        for label in voice.labels:
            firsts.setdefault(_key(label, meanings), (voice, label))
    said = [f"{heard.where(voice)} says '{label}'" for voice, label in list(firsts.values())[: MAX_SENTENCES + 1]]
    if len(firsts) > 1:
        detail = f"{_listed(said, len(firsts), '; ')}: none of them counts until somebody labels the scan."
        return None, None, [("contradictory_row", detail)]
    return _meant(firsts, said, meanings)


def _meant(
    firsts: Mapping[str, tuple[Voice, str]], said: Sequence[str], meanings: Mapping[str, str | LabelRefused]
) -> tuple[str | None, Note | None, Sequence[Note]]:
    """The meaning of the one label that all rows agree on, or of none."""
    label = next((label for key, (_, label) in firsts.items() if key != _NONE), None)
    meaning = None if label is None else meanings[label]
    if isinstance(meaning, LabelRefused):
        return None, (meaning.code, f"{said[0]}. {meaning.detail}"), []
    return meaning, None, []


def _no_one_class(where: str, voice: Voice) -> Note | None:
    """Why a row by itself gives no class."""
    if voice.said.unsure:
        return "uncertain_label", f"{where} is not sure about {', '.join(voice.said.unsure[:MAX_SENTENCES])}: no label."
    if len(voice.labels) > 1:
        return "several_labels", _several(where, voice.labels)
    return None


def _key(label: str, meanings: Mapping[str, str | LabelRefused]) -> str:
    """Equal for labels that mean the same; what means nothing is equal to its own words only."""
    meaning = meanings[label]
    return f"\0{label}" if isinstance(meaning, LabelRefused) else meaning


def _several(where: str, labels: Sequence[str]) -> str:
    return (
        f"{where} names several findings ({_listed(labels[:MAX_SENTENCES], len(labels))}), and a scan has one class: it gets "
        "no label. Label it, or send a labels file with image_id and one label a row; or ask for one finding (`finding`)."
    )


def _values(heard: _Heard) -> tuple[dict[str, str], list[Note]]:
    """The facts that are sure, and what is left empty."""
    found: dict[str, dict[str, Voice]] = {}
    bad: dict[str, str] = {}
    for voice in heard.voices:
        good, sentences = _facts(voice)
        for sentence in sentences:
            bad.setdefault(sentence, f"{heard.where(voice)}: {sentence}")
        for name, text in good.items():
            found.setdefault(name, {}).setdefault(text, voice)
    values = {name: next(iter(texts)) for name, texts in found.items() if len(texts) == 1}
    notes = [("unreadable_value", _listed(list(bad.values())[:MAX_SENTENCES], len(bad), "; "))] if bad else []
    apart = [_apart(name, texts, heard) for name, texts in found.items() if len(texts) > 1]
    return values, [*notes, *(("contradictory_value", sentence) for sentence in apart)]


def _facts(voice: Voice) -> tuple[dict[str, str], list[str]]:
    if not voice.said.beyond:
        return readable(voice.said.values)
    names = ", ".join(voice.said.values) or "the facts"
    return {}, [f"the row has more cells than the first line, so it is not sure which is which: {names} left empty."]


def _apart(name: str, texts: Mapping[str, Voice], heard: _Heard) -> str:
    said = [
        heard.where(voice) + ("" if name in HIDDEN else f" says '{text[:MAX_SHOWN]}'")
        for text, voice in islice(texts.items(), MAX_SENTENCES)
    ]
    return f"{name} is left empty, because rows contradict each other: {_listed(said, len(texts), '; ')}."


def _listed(parts: Sequence[str], count: int, between: str = ", ") -> str:
    """The first of `count` parts, and how many more there are."""
    shown = parts[:MAX_SENTENCES]
    return between.join(shown) + (f"{between}and {count - len(shown)} more" if count > len(shown) else "")


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
