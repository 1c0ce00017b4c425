"""In which places of the sentences of services something of ours is put in: a sentence, a part of one, a word.

Whatever stands in any other place is shown as it is. It may be a name that somebody typed, of a class, a project, a person, a
file: a class can be called as any of our sentences. So a place is listed here only where no name can stand in it alone.
"""

from typing import Final

_ROW: Final = "row %(number)s of %(several)s"
_CLASSES: Final = ("the class %(names)s", "the classes %(names)s")
_TEMPERATURE: Final = "Temperature "

# Places in which any of our sentences may stand: for each with what those templates begin in which it is so; "": with anything.
SAID: Final[dict[str, tuple[str, ...]]] = {
    "by_hand": ("",),
    "correct": ("",),
    "detail": ("",),
    "error": ("",),
    "facts": ("",),
    "flattered": ("",),
    "frozen": ("",),
    "had": ("",),
    "header": ("",),
    "loss": ("",),
    "metrics": ("",),
    "missing": ("%(code)s has not enough scans", "All %(candidates)s", "Not enough "),
    "named": ("Approved scans that do not count", "Not enough patients"),
    "note": ("",),
    "origin": (_TEMPERATURE,),
    "overall": ("",),
    "reason": ("",),
    "reasons": ("",),
    "remedy": ("",),
    "replaced_flattered": ("",),
    "risk": ("",),
    "run": ("",),
    "scans": ("%(scans)s, of which windows", "%(scans)s, so there are no windows"),
    "seen": ("",),
    "sentence": ("",),
    "taken": ("",),
    "test": ("",),
    "took": ("",),
    "value": ("This DICOM file is", "each scored by networks"),
    "what": ("%(what)s, also with a quarter", "%(what)s: begun again"),
    "what_helps": ("",),
    "why": ("",),
    "within": ("",),
}

# Places in which only these may stand, beside names: a row of a file with a name, or the name of the file alone.
ONLY: Final[dict[str, tuple[str, ...]]] = {
    "kinds": ("a number", "a whole number", "true or false"),
    "kinds": ("a number", "a whole number", "true or false"),
    "retired": _CLASSES,
    "said": ("%(voice)s says '%(label)s'", _ROW, "%(between)sand %(count)s more"),
    "sees": ("windows of the scan's own values (centre/width %(windows)s)",),
    "several": ("the labels file",),
    "shares": (
        "inverted %(value)s",
        "the same mildly changed %(value)s",
        "turned to the left %(value)s",
        "turned to the right %(value)s",
        "upside down %(value)s",
        "validation scans %(value)s",
    ),
    "unknown": _CLASSES,
    "voice": (_ROW,),
    "where": (_ROW, "in it", "outside it"),
    "who": ("%(code)s was continued from %(code_2)s, which",),
}

# Places in which one word of ours stands (words/of_others.py).
WORDS: Final = frozenset({"allows", "in_a_sentence", "one", "part", "plural", "sees", "shapes", "status"})

# What of ours may stand in front of a colon and a sentence, and of a part of one. Anything else there is a name.
ROWS: Final = (_ROW,)
FOLDS: Final = ("fold %(fold)s.%(member)s", "fold %(fold)s")


def is_said(place: str, template: str) -> bool:
    """Whether a sentence of ours may stand in this place of this template."""
    return template.startswith(SAID.get(place, ()))
