"""What a written label means: one rule, whoever asks."""

import pytest

from images.services import add_class, retire_class, update_project
from images.services.meaning import Classes, LabelRefused

PAIR = Classes(["NORMAL", "PNEUMONIA"])
BIRADS = Classes(["1", "2", "3", "4", "5"])
KELLGREN = Classes(["0", "1", "2", "3", "4"])
SPELLED = Classes([f"BI-RADS {number}" for number in range(1, 6)])
GRADES = Classes(["Grade I", "Grade II", "Grade III"])
FROM_ZERO = Classes(["KL 0", "KL 1", "KL 2"])
HEALTHY_FIRST = Classes(["healthy", "stage 1", "stage 2"])
COVID = Classes(["COVID-19", "NORMAL"])
RETIRED = Classes(["A", "B", "C"], {"B"})
LAST_RETIRED = Classes(["A", "B", "OLD"], {"OLD"})
REORDERED = Classes(["B", "A", "C"], made=["A", "B", "C"])


def said(classes: Classes, text: str) -> str:
    try:
        return classes.meaning(text)
    except LabelRefused as error:
        assert text in error.detail
        return error.code


@pytest.mark.parametrize(
    ("classes", "text", "meant"),
    [
        (PAIR, "NORMAL", "NORMAL"),
        (PAIR, "0", "NORMAL"),
        (PAIR, "1", "PNEUMONIA"),
        (PAIR, "1.0", "PNEUMONIA"),
        (PAIR, "1,0", "PNEUMONIA"),
        (PAIR, "0.5", "unknown_class"),
        (PAIR, "01", "unknown_class"),
        (PAIR, "2", "unknown_class"),
        (PAIR, "-1", "unknown_class"),
        (PAIR, "²", "unknown_class"),
        (PAIR, "normal", "unknown_class"),
        (PAIR, "", "unknown_class"),
        (BIRADS, "1", "1"),
        (BIRADS, "5.0", "5"),
        (BIRADS, "0", "ambiguous_class"),
        (BIRADS, "6", "unknown_class"),
        (Classes(["1.0", "2.0"]), "1", "1.0"),
        (Classes(["1", "1.0"]), "1.0", "1.0"),
        (Classes(["01", "02", "03"]), "1", "ambiguous_class"),
        (Classes(["-1", "0", "1"]), "-1.0", "-1"),
        (Classes(["-1", "0", "1"]), "0", "0"),
        (KELLGREN, "0", "0"),
        (KELLGREN, "4", "4"),
        (SPELLED, "1", "ambiguous_class"),
        (SPELLED, "0", "ambiguous_class"),
        (SPELLED, "5", "unknown_class"),
        (SPELLED, "BI-RADS 1", "BI-RADS 1"),
        (GRADES, "1", "ambiguous_class"),
        (GRADES, "0", "ambiguous_class"),
        (FROM_ZERO, "1", "KL 1"),
        (HEALTHY_FIRST, "0", "healthy"),
        (HEALTHY_FIRST, "2", "stage 2"),
        (COVID, "0", "COVID-19"),
        (COVID, "1", "NORMAL"),
        (RETIRED, "0", "A"),
        (RETIRED, "1", "ambiguous_class"),
        (RETIRED, "2", "ambiguous_class"),
        (RETIRED, "B", "B"),
        (LAST_RETIRED, "1", "B"),
        (LAST_RETIRED, "2", "ambiguous_class"),
        (REORDERED, "0", "ambiguous_class"),
        (REORDERED, "2", "C"),
        (Classes(["NORMAL", "Opacit\u00e9"]), "Opacite\u0301", "Opacit\u00e9"),
    ],
)
def test_a_label_means_one_class_or_is_refused_by_name(classes, text, meant):
    assert said(classes, text) == meant


@pytest.mark.parametrize(
    ("classes", "written", "meant"),
    [
        (PAIR, ["0", "1"], ["NORMAL", "PNEUMONIA"]),
        (PAIR, ["1", "2"], ["ambiguous_class", "unknown_class"]),
        (PAIR, ["0", "1", "2"], ["ambiguous_class", "ambiguous_class", "unknown_class"]),
        (PAIR, ["-1", "1"], ["unknown_class", "PNEUMONIA"]),
        (PAIR, ["0", "0.5", "1"], ["ambiguous_class", "unknown_class", "ambiguous_class"]),
        (PAIR, ["NORMAL", "1", "zebra"], ["NORMAL", "PNEUMONIA", "unknown_class"]),
        (BIRADS, ["1", "5"], ["1", "5"]),
        (BIRADS, ["0", "1", "4"], ["ambiguous_class"] * 3),
        (BIRADS, ["0", "1", "5"], ["ambiguous_class", "1", "5"]),
    ],
)
def test_all_numbers_of_a_file_count_alike(classes, written, meant):
    found = classes.meanings(written)
    assert [one.code if isinstance(one, LabelRefused) else one for one in map(found.get, written)] == meant


def test_the_order_of_a_project_is_remembered(admin, project):
    assert Classes.of(project).meaning("1") == "OPACITY"
    update_project(actor=admin, project=project, changes={"classes": ["OPACITY", "NORMAL"]})
    assert said(Classes.of(project), "1") == "ambiguous_class"
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY"]})
    add_class(actor=admin, project=project, name="OTHER")
    assert Classes.of(project).meaning("2") == "OTHER"
    retire_class(actor=admin, project_class=project.class_rows.get(name="NORMAL"))
    assert [said(Classes.of(project), text) for text in "012"] == ["ambiguous_class"] * 3
    assert Classes.of(project).meaning("NORMAL") == "NORMAL"
