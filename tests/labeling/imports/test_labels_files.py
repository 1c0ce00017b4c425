"""Labels files as people really write them."""

import gzip
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from images.facts import parse_facts
from images.services.meaning import Classes
from labeling.imports.understanding import Understanding, agreed, find_tables, understand
from tests.labeling.imports.sets import opened

CLASSES = Classes(["NORMAL", "PNEUMONIA"])
PATHS = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
KINDS = ["labels.csv", "labels.json", "labels.yaml"]


def said(data: bytes | str, name: str = "labels.csv", *, paths=PATHS, classes=CLASSES, dialect="auto") -> Understanding:
    return understand([(name, opened(data.encode() if isinstance(data, str) else data))], paths, classes, dialect)


def labels(known: Understanding) -> dict[str, str | None]:
    return {path: stated.label for path, stated in known.by_path.items()}


def notes(known: Understanding) -> dict[str, list[str]]:
    return {path: [code for code, _ in stated.notes] for path, stated in known.by_path.items() if stated.notes}


def codes(known: Understanding) -> list[tuple[int, str]]:
    return [(problem.number, problem.code) for problem in known.problems]


BOTH = {"a.jpg": "NORMAL", "b.jpg": "PNEUMONIA"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.csv", b"image_id,label\na.jpg,NORMAL\nb.jpg,1\n"),
        ("LABELS.CSV", b"\xef\xbb\xbfimage_id,label\r\na.jpg,NORMAL\r\nb.jpg,1\r\n"),
        ("labels.csv", b"Image_ID; Label\na.jpg;NORMAL\nb.jpg;1\n"),
        ("labels.csv", b'"image_id"\t"label"\na.jpg\tNORMAL\nb.jpg\t1\n'),
        ("labels.tsv", b"image_id\tlabel\na.jpg\tNORMAL\nb.jpg\t1.0\n"),
        ("labels.csv", b"sep=;\r\nimage_id;label\r\na.jpg;NORMAL\r\nb.jpg;1,0\r\n"),
        ("labels.csv", b'"sep=;"\r\nimage_id;label\r\na.jpg;NORMAL\r\nb.jpg;1\r\n'),
        ("labels.csv", b"\xef\xbb\xbfsep=\t\nimage_id\tlabel\na.jpg\tNORMAL\nb.jpg\t1\n"),
        ("labels.csv", b"sep=|\nimage_id|label\na.jpg|NORMAL\nb.jpg|1\n"),
        ("labels.csv", "image_id,label\na.jpg,NORMAL\nb.jpg,1\n".encode("utf-16")),
        ("labels.csv", "\ufeffimage_id\tlabel\r\na.jpg\tNORMAL\r\nb.jpg\t1\r\n".encode("utf-16-be")),
        ("labels.csv", b",image_id,label,Unnamed: 3\n0,a.jpg,NORMAL,x\n1,b.jpg,1.0,\n"),
        ("labels.csv", b"image_id,label\n.\\a.jpg,NORMAL\n./b,1\n"),
        ("labels.csv", b"filename,label\nA.JPG,NORMAL\nB,1\n"),
        (
            "labels.json",
            json.dumps([{"image_id": "a.jpg", "label": "NORMAL"}, {"image_id": "b.jpg", "label": 1}]).encode(),
        ),
        ("labels.json", b'{"a.jpg": "NORMAL", "b.jpg": 1.0}'),
        ("labels.json", b'{"labels": {"a.jpg": {"label": "NORMAL"}, "b.jpg": {"label": "1"}}}'),
        ("labels.yaml", b"- {image_id: a.jpg, label: NORMAL}\n- {image_id: b.jpg, label: 1}\n"),
        ("labels.yml", b"a.jpg: NORMAL\nb.jpg: 1\n"),
    ],
)
def test_every_form_says_the_same(name, data):
    known = said(data, name)
    assert (labels(known), known.problems, known.dialect, known.rows) == (BOTH, [], "plain", 2)


def test_yaml_does_not_turn_the_class_no_into_false():
    known = said(b"a.jpg: NO\nb.jpg: 007\n", "labels.yaml", classes=Classes(["NO", "007"]))
    assert labels(known) == {"a.jpg": "NO", "b.jpg": "007"}


def test_optional_columns_are_kept_and_unknown_ones_left():
    known = said("image_id,label,split,patient,age,favourite\na.jpg,NORMAL,val,p7,61,blue\n")
    assert known.by_path["a.jpg"].values == {"split": "val", "patient": "p7", "age": "61"}
    assert {column.name: column.meaning for column in known.columns} == {
        "image_id": "image", "label": "label", "split": "split", "patient": "patient", "age": "age", "favourite": "",
    }  # fmt: skip
    assert (known.splits, known.patients) == ({"val": 1}, 1)
    assert known.first == [{"path": "a.jpg", "label": "NORMAL", "split": "val", "patient": "(named)", "age": "61"}]


@pytest.mark.parametrize(
    ("name", "data", "remedy"),
    [
        ("labels.csv", b"", "needs the columns image_id and label"),
        ("labels.csv", b"file,class\na.jpg,NORMAL\n", "It has: file, class"),
        ("labels.csv", b"image_id,label,label\na.jpg,A,B\n", "names a column twice"),
        ("labels.csv", b"file,path,label\na.jpg,b.jpg,NORMAL\n", "Call the right one image_id"),
        ("labels.csv", b"\xff\xfe\x00", "Save it again as UTF-8"),
        ("labels.csv", b"\xff\xfei\x00m\x00a\x00", "It has: ima"),
        ("labels.json", b"{", "not valid JSON"),
        ("labels.json", b"[" * 100_000, "not valid JSON"),
        ("labels.json", b'["a.jpg"]', "must be a list of rows"),
        ("labels.json", b'[{"image_id": "a.jpg", "label": ["A"]}]', "label must be one value"),
        ("labels.json", b"3", "must be a list of rows"),
        ("labels.yaml", b"a: [b", "not valid JSON or YAML"),
        ("labels.yaml", b"!!python/object/apply:os.system ['true']", "must be a list of rows"),
        ("labels.csv", b"image_id,label\na.jpg," + b"x" * 5000 + b"\n", "longer than"),
        ("HAM10000_metadata.xlsx", b"PK", "Save it as CSV"),
        ("mimic.csv.gz", b"\x1f\x8b", "damaged or cut off"),
        ("mimic.csv.gz", b"image_id,label\n", "damaged or cut off"),
        ("mimic.csv.gz", gzip.compress(b"image_id,label\na.jpg,NORMAL\n", mtime=0)[:-12], "damaged or cut off"),
        ("labels.json.gz", gzip.compress(b" " * (7 * 2**20), mtime=0), "larger than 6 MiB. Send it as CSV"),
        ("labels.csv", b"image_id,label\n" + b"a" * 2**22 + b"\n", "longer than 4194304 characters"),
        ("labels.csv", b"image_id,label\n" + (b"z" * 200 + b",\n") * 110_000 + b"\xe9,\n", "not UTF-8"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, data, remedy):
    known = said(data, name)
    (problem,) = known.problems
    assert (problem.code, problem.number, known.unused) == ("invalid_labels_file", 0, [name])
    assert "labels file" in problem.detail and remedy in problem.detail
    assert not known.by_path


def test_a_yaml_of_nested_aliases_is_refused_quickly():
    laughs = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n + 1, n + 1, n, n) for n in range(97, 120))
    assert codes(said(laughs, "labels.yaml")) == [(0, "invalid_labels_file")]


KOREAN = Classes(["\uc815\uc0c1", "\ud3d0\ub834"])


@pytest.mark.parametrize(
    ("encoding", "classes", "label"),
    [
        ("cp1252", Classes(["NORMAL", "Opacit\u00e9"]), "Opacit\u00e9"),
        ("cp949", KOREAN, "\ud3d0\ub834"),
        ("cp932", Classes(["\u6b63\u5e38", "\u80ba\u708e"]), "\u80ba\u708e"),
        ("gb18030", Classes(["\u6b63\u5e38", "\u80ba\u708e"]), "\u6b63\u5e38"),
        ("cp1251", Classes(["\u041d\u043e\u0440\u043c\u0430", "other"]), "\u041d\u043e\u0440\u043c\u0430"),
    ],
)
def test_a_code_page_is_taken_by_the_names_that_fit_and_named_as_a_guess(encoding, classes, label):
    known = said(f"image_id,label\na.jpg,{label}\n".encode(encoding), classes=classes)
    assert labels(known) == {"a.jpg": label}
    (problem,) = known.problems
    assert problem.code == "guessed_encoding" and encoding in problem.detail


def test_names_and_labels_are_equal_in_both_unicode_forms():
    known = said(
        "image_id,label\nve\u0301lo.png,Opacite\u0301\n",
        paths=["v\u00e9lo.png"],
        classes=Classes(["NORMAL", "Opacit\u00e9"]),
    )
    assert labels(known) == {"v\u00e9lo.png": "Opacit\u00e9"}


@pytest.mark.parametrize(
    ("row", "paths", "found"),
    [
        ("train/NORMAL/a.jpg", ["data/train/NORMAL/a.jpg", "data/val/NORMAL/a.jpg"], "data/train/NORMAL/a.jpg"),
        ("data/val/NORMAL/a.jpg", ["data/train/NORMAL/a.jpg", "data/val/NORMAL/a.jpg"], "data/val/NORMAL/a.jpg"),
        ("b.jpg", ["data/train/NORMAL/a.jpg", "data/val/NORMAL/b.jpg"], "data/val/NORMAL/b.jpg"),
        ("a.jpg", ["train/NORMAL/a.jpg", "val/NORMAL/a.jpg"], "ambiguous_image"),
        ("p1/view.jpg", ["x/p1/view.jpg", "x/p2/view.jpg", "y/z.jpg"], "x/p1/view.jpg"),
        ("CheXpert/train/p1/view.jpg", ["train/p1/view.jpg", "train/p2/view.jpg"], "train/p1/view.jpg"),
        ("other/p3/view.jpg", ["train/p1/view.jpg", "train/p2/view.jpg"], "unknown_image"),
        ("old/a.jpg", ["new/a.jpg", "new/b.jpg"], "new/a.jpg"),
        ("old/a.jpg", ["new/a.jpg", "b.jpg"], "unknown_image"),
        ("ISIC_0000000", ["images/ISIC_0000000.jpg"], "images/ISIC_0000000.jpg"),
        ("ISIC_0000000", ["ISIC_0000000.jpg", "ISIC_0000000.png"], "ambiguous_image"),
        ("ISIC_0000000.png", ["ISIC_0000000.jpg", "ISIC_0000000.png"], "ISIC_0000000.png"),
        ("ISIC_0000000.jpg", ["ISIC_0000000.png"], "ISIC_0000000.png"),
        ("1.2.840.113", ["1.2.840.dcm", "1.2.840.113.dcm"], "1.2.840.113.dcm"),
        ("ISIC_000000", ["ISIC_0000000.jpg"], "unknown_image"),
        ("", ["a.jpg"], "missing_image_id"),
    ],
)
def test_a_row_means_one_file_or_is_named(row, paths, found):
    known = said(f"image_id,label\n{row},NORMAL\n", paths=paths)
    assert [*known.by_path, *(problem.code for problem in known.problems)] == [found]


def test_many_rows_of_pictures_that_are_not_there_are_counted_and_not_all_listed():
    rows = "".join(f"x{number}.jpg,NORMAL\n" for number in range(1000))
    known = said(f"image_id,label\na.jpg,NORMAL\n{rows}")
    assert labels(known) == {"a.jpg": "NORMAL"} and len(known.problems) == 201
    assert known.problems[-1].number == 0 and known.problems[-1].detail.startswith("800 more rows")


def test_rows_that_contradict_each_other_do_not_count_and_are_named():
    known = said("image_id,label\na.jpg,NORMAL\na.jpg,PNEUMONIA\nb.jpg,PNEUMONIA\nb.jpg,1\nc.jpg,ZEBRA\nc.jpg,NORMAL\n")
    assert labels(known) == {"a.jpg": None, "b.jpg": "PNEUMONIA", "c.jpg": None}
    assert notes(known) == {"a.jpg": ["contradictory_row"], "c.jpg": ["contradictory_row"]}
    detail = known.by_path["a.jpg"].notes[0][1]
    assert "Row 1 of the labels file says 'NORMAL'; row 2 of the labels file says 'PNEUMONIA'" in detail
    assert agreed(known.by_path["a.jpg"], "NORMAL") == (None, None)


def test_a_row_and_a_folder_that_contradict_each_other_do_not_count():
    stated = said("image_id,label\na.jpg,NORMAL\n").by_path["a.jpg"]
    assert (agreed(stated, "NORMAL"), agreed(stated, None), agreed(None, "NORMAL")) == (("NORMAL", None),) * 3
    label, note = agreed(stated, "PNEUMONIA")
    assert label is None and note[0] == "folder_conflict" and "'PNEUMONIA'" in note[1] and "'NORMAL'" in note[1]


def test_facts_that_contradict_each_other_are_left_empty_and_people_are_not_named():
    known = said("image_id,label,patient,age,sex\na.jpg,NORMAL,Jane,40,F\na.jpg,NORMAL,Joan,41,F\n")
    stated = known.by_path["a.jpg"]
    assert (stated.label, stated.values) == ("NORMAL", {"sex": "F"})
    text = " ".join(detail for _, detail in stated.notes)
    assert [code for code, _ in stated.notes] == ["contradictory_value"] * 2
    assert "'40'" in text and "Patient is left empty" in text and "Jane" not in text


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NA", "N/A", "#N/A", "null", "<NA>", "None", "NaT", " "])
def test_words_for_nothing_are_no_label_and_no_fact(word):
    known = said(f"image_id,label,age,patient,split\na.jpg,{word},{word},{word},{word}\n")
    stated = known.by_path["a.jpg"]
    assert (stated.label, stated.refusal, stated.values, stated.notes) == (None, None, {}, ())


def test_a_class_may_be_called_none():
    assert labels(said("image_id,label\na.jpg,None\n", classes=Classes(["None", "Some"]))) == {"a.jpg": "None"}


@pytest.mark.parametrize("word", ["valid", "Validation", "VAL", "dev", "development set", "val"])
def test_words_for_the_validation_side(word):
    known = said(f"image_id,label,split\na.jpg,NORMAL,{word}\n")
    assert known.by_path["a.jpg"].values.get("split") == ("val" if word != "development set" else None)


@pytest.mark.parametrize(
    ("column", "cell", "read"),
    [
        ("age", "045Y", "45"),
        ("age", "45y", "45"),
        ("age", "6M", "0.5"),
        ("age", "26W", "0.4983"),
        ("age", "55.0", "55.0"),
        ("age", '"0,5"', "0.5"),
        ("age", "90+", None),
        ("age", "250", None),
        ("age", "-1", None),
        ("age", "about 40", None),
        ("capture_date", "20190531", "2019-05-31"),
        ("capture_date", "2019-05-31", "2019-05-31"),
        ("capture_date", "2019-05", None),
        ("capture_date", "05/06/2019", None),
        ("capture_date", "2999-01-01", None),
        ("pixel_spacing", "0.143\\0.143", "0.143"),
        ("pixel_spacing", '"[0.143, 0.143]"', "0.143"),
        ("pixel_spacing", '"0,143"', "0.143"),
        ("pixel_spacing", "0.143\\0.2", None),
        ("pixel_spacing", "0", None),
        ("sex", "a very long word for it", None),
        ("split", "fold 3", None),
        ("external_id", "x" * 200, None),
        ("pseudonym", "Jane Roe", None),
        ("patient", "0012345", "0012345"),
        ("patient", "12345.0", "12345"),
        ("patient", "7E10", "7E10"),
        ("patient", "1.23457E+11", None),
        ("external_id", "2,02312E+12", None),
    ],
)
def test_a_cell_is_read_or_left_empty_and_named_and_never_costs_the_scan(column, cell, read):
    known = said(f"image_id,label,{column}\na.jpg,NORMAL,{cell}\n")
    stated = known.by_path["a.jpg"]
    assert (stated.label, stated.refusal, stated.values.get(column)) == ("NORMAL", None, read)
    parse_facts(stated.values)
    if read is None:
        ((code, detail),) = stated.notes
        assert code == "unreadable_value" and f"{column}" in detail and "left empty" in detail
        assert "Jane" not in detail


def test_a_column_for_each_class_of_the_project_says_the_label():
    known = said("image,NORMAL,PNEUMONIA,age\na.jpg,1,0,50\nb.jpg,0,1.0,\nc.jpg,1,1,\nd.jpg,0,,\n")
    assert (known.dialect, labels(known)) == ("one-hot", {**BOTH, "c.jpg": None, "d.jpg": None})
    assert notes(known) == {"c.jpg": ["several_labels"]}
    assert known.by_path["a.jpg"].values == {"age": "50"}


def test_all_bad_cells_are_named():
    known = said("image_id,label,age,capture_date,split\na.jpg,NORMAL,90+,2019-05,fold 1\n")
    ((_, detail),) = known.by_path["a.jpg"].notes
    assert all(text in detail for text in ("'90+'", "'2019-05'", "'fold 1'"))


def test_a_row_with_more_cells_than_columns_keeps_its_label_only():
    known = said("image_id,label,age,pixel_spacing\na.jpg,NORMAL,55,0,143\nb.jpg,NORMAL,55,0.1,\n")
    assert (known.by_path["a.jpg"].label, known.by_path["a.jpg"].values) == ("NORMAL", {})
    assert notes(known) == {"a.jpg": ["unreadable_value"]}
    assert known.by_path["b.jpg"].values == {"age": "55", "pixel_spacing": "0.1"}


@pytest.mark.parametrize(
    ("classes", "written", "found"),
    [
        (["1", "2", "3"], ["1", "2", "3.0"], ["1", "2", "3"]),
        (["1", "2", "3"], ["0", "1", "2"], ["ambiguous_class"] * 3),
        (["NORMAL", "PNEUMONIA"], ["1", "2"], ["ambiguous_class", "unknown_class"]),
        (["BI-RADS 1", "BI-RADS 2"], ["1", "BI-RADS 2"], ["ambiguous_class", "BI-RADS 2"]),
    ],
)
def test_numbers_mean_what_their_writer_meant_or_are_refused(classes, written, found):
    rows = "".join(f"{name},{label}\n" for name, label in zip("abc", written, strict=False))
    known = said(f"image_id,label\n{rows}", classes=Classes(classes))
    assert [stated.label or stated.refusal[0] for stated in known.by_path.values()] == found
    refused = {count.written: count.problem for count in known.classes if count.name is None}
    assert set(refused.values()) == {code for code in found if code.endswith("_class")}


@pytest.mark.parametrize(
    ("paths", "tables"),
    [
        (["set/labels.csv", "set/train.csv"], ["set/labels.csv"]),
        (["a.csv", "set/labels.json"], ["set/labels.json"]),
        (["x/b.csv", "a.csv", "notes.txt", "study.json"], ["a.csv", "x/b.csv"]),
        (["labels_history.csv", "README.csv", "metadata.json"], []),
        (["HAM10000_metadata.xlsx", "mimic.csv.gz"], ["HAM10000_metadata.xlsx", "mimic.csv.gz"]),
    ],
)
def test_which_files_may_hold_labels(paths, tables):
    assert find_tables(paths) == tables
    assert len(find_tables([f"{number}.csv" for number in range(50)])) == 8


def test_nothing_to_read_is_said():
    assert understand([], PATHS, CLASSES).says == "No labels file was found or understood."


@given(st.binary(max_size=300), st.sampled_from(KINDS))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_an_answer(data, name):
    known = said(data, name)
    assert all(isinstance(text, str) for row in known.by_path.values() for text in row.values.values())


@given(st.text(max_size=200), st.sampled_from(KINDS))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_an_answer(text, name):
    whole = f"image_id,label\n{text}" if name.endswith("csv") else text
    said(whole.encode("utf-8", "surrogatepass"), name)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["image_id", "label", "labels", "split", "a.jpg"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(TREES, st.sampled_from(["labels.json", "labels.yaml"]))
@example([{"image_id": None}], "labels.json")
@settings(max_examples=200, deadline=None)
def test_any_tree_gives_facts_that_a_database_can_store(tree, name):
    known = said(json.dumps(tree).encode(), name)
    shown = [text for problem in known.problems for text in (problem.image_id, *problem.values.values())]
    for text in (*shown, *(text for row in known.by_path.values() for text in row.values.values())):
        assert text.isprintable()
        text.encode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.csv.gz", b"image_id,label\na.jpg,NORMAL\nb.jpg,1\n"),
        ("mimic-cxr.tsv.gz", b"image_id\tlabel\na.jpg\tNORMAL\nb.jpg\t1\n"),
        ("LABELS.JSON.GZ", b'{"a.jpg": "NORMAL", "b.jpg": 1}'),
        ("labels.yml.gz", b"a.jpg: NORMAL\nb.jpg: 1\n"),
    ],
)
def test_packed_labels_files_are_read_as_they_are_published(name, data):
    packed = gzip.compress(data[:10]) + gzip.compress(data[10:])  # several members are one file (RFC 1952 2.2)
    assert labels(said(packed, name)) == BOTH
    assert find_tables(["a.jpg", f"set/{name}"]) == [f"set/{name}"]


def test_a_whole_public_set_is_read_when_a_part_of_its_pictures_came():
    rows = 250_000
    text = "image_id,label,patient,age\n" + "".join(
        f"images/{number:08d}.jpg,{'NORMAL' if number % 2 else 'PNEUMONIA'},p{number // 3},{number % 90}\n"
        for number in range(rows)
    )
    paths = [f"images/{number:08d}.jpg" for number in range(0, rows, 2500)]
    known = said(text, paths=paths)
    assert (known.rows, len(known.by_path), sum(count.rows for count in known.classes)) == (rows, 100, rows)
    assert {stated.label for stated in known.by_path.values()} == {"PNEUMONIA"}
    listed = [problem for problem in known.problems if problem.number]
    assert len(listed) == 200 and f"{rows - 100 - 200} more rows" in known.problems[-1].detail


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.gz"])
def test_a_table_is_read_up_to_its_limit_however_small_it_is_packed(monkeypatch, name):
    monkeypatch.setattr("labeling.imports.texts.MAX_BYTES", 2**20)
    text = b"image_id,label\n" + b"a.jpg,NORMAL\n" * 100_000
    known = said(gzip.compress(text) if name.endswith("gz") else text, name)
    assert codes(known) == [(0, "invalid_labels_file")] and "larger than 1 MiB" in known.problems[0].detail
