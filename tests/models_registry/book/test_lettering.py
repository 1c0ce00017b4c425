"""Class names in the figures of the laboratory book, whatever script they are in."""

import io
import warnings

import pytest

from models_registry.book import figures, lettering

LATIN, KOREAN = ["NORMAL", "Pneumonía"], ["정상", "비정상"]
CURVES = {
    "roc": [{"class": name, "prevalence": 0.5, "points": [[0.0, 0.0], [0.2, 0.8], [1.0, 1.0]]} for name in KOREAN],
}


def drawn(figure) -> list[str]:
    """The texts of a figure, drawn without a letter that its fonts lack."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), format="png")
    axes = figure.axes[0]
    legend = axes.get_legend()
    texts = [*axes.get_xticklabels(), *(legend.get_texts() if legend else ())]
    return [text.get_text() for text in texts]


def test_names_that_the_usual_font_has_are_drawn_as_they_are():
    assert drawn(figures.confusion_matrix([[3, 1], [0, 4]], LATIN)) == LATIN


def test_names_that_no_font_has_are_numbered_and_the_figure_says_where_they_stand(monkeypatch):
    monkeypatch.setattr(lettering, "installed", lambda: [])
    matrix = figures.confusion_matrix([[3, 1], [0, 4]], KOREAN)
    assert drawn(matrix) == ["1", "2"]
    assert lettering.WHERE in matrix.axes[0].get_xlabel()
    curve = figures.drawings({"curves": CURVES, "classes": KOREAN}, [])["roc"]
    assert [text for text in drawn(curve) if text in ("1", "2")] == ["1", "2"]
    assert curve.axes[0].get_legend().get_title().get_text() == lettering.WHERE


def test_a_font_that_has_the_letters_is_used(monkeypatch):
    found = lettering._letters

    def letters(family: str) -> frozenset[str]:
        return frozenset("정상비") if family == "Hospital Sans" else found(family)

    monkeypatch.setattr(lettering, "_letters", letters)
    monkeypatch.setattr(lettering, "installed", lambda: ["Other Sans", "Hospital Sans"])
    made = lettering.lettering(KOREAN)
    assert (made.of("정상"), made.note) == ("정상", "")
    assert list(made.families) == [lettering.OWN, "Hospital Sans"]


@pytest.mark.parametrize("name", list(lettering.installed())[:3])
def test_no_font_of_placeholders_counts_as_one_with_letters(name):
    assert not name.startswith(lettering.PLACEHOLDERS)
