"""Labels files as people really write them."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labeling.imports.layout import arrange
from labeling.imports.manifest import ManifestError, class_of, match, parse

CLASSES = ["NORMAL", "PNEUMONIA"]


def labels(name: str, data: bytes) -> dict[str, str]:
    return {row.image_id: row.values.get("label", "") for row in parse(name, data)}


def places(*paths: str) -> list:
    return arrange(paths, CLASSES).places


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.csv", b"image_id,label\na.jpg,NORMAL\nb.jpg,1\n"),
        ("LABELS.CSV", b"\xef\xbb\xbfimage_id,label\r\na.jpg,NORMAL\r\nb.jpg,1\r\n"),
        ("labels.csv", b"Image_ID; Label\na.jpg;NORMAL\nb.jpg;1\n"),
        ("labels.csv", b'"image_id"\t"label"\na.jpg\tNORMAL\nb.jpg\t1\n'),
        (
            "labels.json",
            json.dumps([{"image_id": "a.jpg", "label": "NORMAL"}, {"image_id": "b.jpg", "label": 1}]).encode(),
        ),
        ("labels.json", b'{"a.jpg": "NORMAL", "b.jpg": 1}'),
        ("labels.json", b'{"labels": {"a.jpg": {"label": "NORMAL"}, "b.jpg": {"label": "1"}}}'),
        ("labels.yaml", b"- {image_id: a.jpg, label: NORMAL}\n- {image_id: b.jpg, label: 1}\n"),
        ("labels.yml", b"a.jpg: NORMAL\nb.jpg: 1\n"),
    ],
)
def test_every_form_says_the_same(name, data):
    assert labels(name, data) == {"a.jpg": "NORMAL", "b.jpg": "1"}


def test_yaml_does_not_turn_the_class_no_into_false():
    assert labels("labels.yaml", b"a.jpg: NO\nb.jpg: 007\n") == {"a.jpg": "NO", "b.jpg": "007"}


def test_optional_columns_are_kept_and_unknown_ones_left():
    (row,) = parse("labels.csv", b"image_id,label,split,patient,age,favourite\na.jpg,NORMAL,val,p7,61,blue\n")
    assert row.values == {"label": "NORMAL", "split": "val", "patient": "p7", "age": "61"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.csv", b""),
        ("labels.csv", b"file,class\na.jpg,NORMAL\n"),
        ("labels.csv", b"image_id,label,label\na.jpg,A,B\n"),
        ("labels.csv", "image_id,label\nä.jpg,A\n".encode("latin-1")),
        ("labels.csv", b"\xff\xfei\x00m\x00a\x00"),
        ("labels.json", b"{"),
        ("labels.json", b"[" * 100_000),
        ("labels.json", b'["a.jpg"]'),
        ("labels.json", b'[{"image_id": "a.jpg", "label": ["A"]}]'),
        ("labels.json", b"3"),
        ("labels.yaml", b"a: [b"),
        ("labels.yaml", b"!!python/object/apply:os.system ['true']"),
        ("labels.csv", b"image_id,label\na.jpg," + b"x" * 5000 + b"\n"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, data):
    with pytest.raises(ManifestError, match="labels file"):
        parse(name, data)


def test_a_yaml_of_nested_aliases_is_refused_quickly():
    laughs = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n + 1, n + 1, n, n) for n in range(97, 120))
    with pytest.raises(ManifestError):
        parse("labels.yaml", laughs)


def test_a_row_is_found_by_path_and_by_unique_name():
    found = places("data/train/NORMAL/a.jpg", "data/val/NORMAL/a.jpg", "data/val/NORMAL/b.jpg")
    rows = parse("labels.csv", b"image_id,label\ntrain/NORMAL/a.jpg,X\ndata/val/NORMAL/a.jpg,Y\nb.jpg,Z\n")
    by_path, problems = match(rows, found)
    assert {path: row.values["label"] for path, row in by_path.items()} == {
        "data/train/NORMAL/a.jpg": "X",
        "data/val/NORMAL/a.jpg": "Y",
        "data/val/NORMAL/b.jpg": "Z",
    }
    assert problems == []


def test_rows_that_fit_no_scan_or_several_are_named():
    found = places("train/NORMAL/a.jpg", "val/NORMAL/a.jpg", "val/NORMAL/b.jpg")
    rows = parse("labels.csv", b"image_id,label\na.jpg,X\nmissing.jpg,X\n,X\nb.jpg,X\nb.jpg,Y\nb.jpg,X\n")
    _, problems = match(rows, found)
    assert [(problem.number, problem.code) for problem in problems] == [
        (1, "ambiguous_image"),
        (2, "unknown_image"),
        (3, "missing_image_id"),
        (5, "contradictory_row"),
    ]


def test_an_exact_name_beats_an_index_and_indices_start_at_zero():
    assert [class_of(value, CLASSES) for value in ("NORMAL", "0", "1", "2", "normal", "-1", "²", "")] == [
        "NORMAL", "NORMAL", "PNEUMONIA", None, None, None, None, None,
    ]  # fmt: skip
    assert class_of("1", ["1", "0"]) == "1"


@given(st.binary(max_size=300), st.sampled_from(["labels.csv", "labels.json", "labels.yaml"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_rows_or_a_refusal(data, name):
    try:
        rows = parse(name, data)
    except ManifestError:
        return
    assert all(isinstance(value, str) for row in rows for value in row.values.values())


@given(st.text(max_size=200), st.sampled_from(["labels.csv", "labels.json", "labels.yaml"]))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_rows_or_a_refusal(text, name):
    try:
        parse(
            name,
            f"image_id,label\n{text}".encode("utf-8", "surrogatepass")
            if name.endswith("csv")
            else text.encode("utf-8", "surrogatepass"),
        )
    except ManifestError:
        return


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
@settings(max_examples=300, deadline=None)
def test_any_tree_gives_rows_that_a_database_can_store_or_a_refusal(tree, name):
    try:
        rows = parse(name, json.dumps(tree).encode())
    except ManifestError:
        return
    for row in rows:
        for text in (
            row.image_id,
            *row.values.values(),
        ):  # empty ones too: a row that names no scan is reported as such
            assert text.isprintable()
            text.encode()
