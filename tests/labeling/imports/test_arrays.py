"""Data sets that are a file of arrays."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from images.services.meaning import Classes
from labeling.imports import arrays

CLASSES = Classes(["benign", "malignant"])


def packed(**named) -> tuple:
    """(read, paths) of an .npz that NumPy wrote."""
    out = io.BytesIO()
    np.savez_compressed(out, **named)
    archive = zipfile.ZipFile(out)
    return archive.read, archive.namelist()


def pictures(count: int, *shape: int, dtype=np.uint8):
    return np.random.default_rng(count).integers(0, np.iinfo(dtype).max, (count, *shape), dtype=dtype)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (9, 13)])
def test_each_image_is_a_lossless_picture_with_its_split_and_label(shape):
    train, val = pictures(3, *shape), pictures(2, *shape)
    read, paths = packed(
        train_images=train,
        train_labels=np.array([[1], [0], [1]]),
        val_images=val,
        val_labels=np.array([0, 1], np.uint8),
    )
    assert arrays.is_array_set(paths)
    made = dict(arrays.pictures(read, paths))
    known = arrays.understand(read, paths, CLASSES)
    assert list(made) == list(known.by_path) == [
        "train/000000.png", "train/000001.png", "train/000002.png", "val/000000.png", "val/000001.png",
    ]  # fmt: skip
    assert [stated.label for stated in known.by_path.values()] == [
        "malignant", "benign", "malignant", "benign", "malignant",
    ]  # fmt: skip
    assert known.splits == {"train": 3, "val": 2}
    for name, array in (("train/000001.png", train[1]), ("val/000000.png", val[0])):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(made[name]))), array)


def test_grey_of_16_bits_stays_so_and_the_order_of_fortran_is_read():
    deep = np.asfortranarray(pictures(2, 5, 7, dtype=np.uint16))
    read, paths = packed(train_images=deep)
    ((_, first), _) = arrays.pictures(read, paths)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(first))), deep[0])


def test_columns_of_0_and_1_give_one_label_none_or_several():
    read, paths = packed(train_images=pictures(3, 8, 8), train_labels=np.array([[0, 1], [0, 0], [1, 1]]))
    stated = list(arrays.understand(read, paths, CLASSES).by_path.values())
    assert [one.label for one in stated] == ["malignant", None, None]
    assert [code for code, _ in stated[2].notes] == ["several_labels"]


def test_numbers_that_count_other_classes_are_refused():
    read, paths = packed(train_images=pictures(3, 8, 8), train_labels=np.array([0, 1, 2]))
    refusals = [one.refusal[0] for one in arrays.understand(read, paths, CLASSES).by_path.values()]
    assert refusals == ["ambiguous_class", "ambiguous_class", "unknown_class"]


def test_equal_pictures_with_different_labels_have_none():
    one, other = pictures(2, 8, 8)
    read, paths = packed(
        train_images=np.stack([one, other, one]), train_labels=np.array([0, 1, 0]), test_images=np.stack([one, other]),
        test_labels=np.array([1, 1]),
    )  # fmt: skip
    stated = arrays.understand(read, paths, CLASSES).by_path
    assert [said.label for said in stated.values()] == [None, "malignant", None, None, "malignant"]
    ((code, detail),) = stated["test/000000.png"].notes
    assert code == "contradictory_row" and "train/000000.png says 'benign'; test/000000.png says 'malignant'" in detail


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('run')",))


def objects() -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array([Harmful()], dtype=object), allow_pickle=True)
    return out.getvalue()


def header(shape: str, kind: str = "'|u1'") -> bytes:
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (objects(), "holds objects"),
        (b"\x80\x04K\x01.", "is no array"),
        (b"", "is no array"),
        (b"\x93NUMPY\x09\x00", "is no array"),
        (header("(1, 2, 2)", "'|O'") + b"\x80\x04N.", "holds objects"),
        (header("(1000000, 1000000, 1000000)"), "promises"),
        (header("(2, 2, 2)") + b"1234567", "promises"),
        (header("(-1, 2, 2)") + b"1234", "promises"),
        (header("(1, 2, 2)", "'<f4'") + b"1234" * 4, "float32"),
        (header("(1, 2, 2, 4)") + b"1" * 16, "shape"),
        (header("(4,)") + b"1234", "shape"),
        (header("(1, 5000, 1)") + b"1" * 5000, "shape"),
        (header("(1, 0, 5)"), "shape"),
    ],
)
def test_what_is_no_array_of_pictures_is_refused_unread(data, why):
    for ask in (lambda: list(arrays.pictures(lambda _: data, ["train_images.npy"])),
                lambda: arrays.understand(lambda _: data, ["train_images.npy"], CLASSES)):  # fmt: skip
        with pytest.raises(arrays.NotASet, match=why):
            ask()


@pytest.mark.parametrize(
    "labels", [np.array([1, 2, 3]), np.array([0.5, 1.5]), np.zeros((2, 2, 2)), np.array([[3, 4], [5, 6]])]
)
def test_labels_that_do_not_fit_are_refused(labels):
    read, paths = packed(train_images=pictures(2, 8, 8), train_labels=labels)
    with pytest.raises(arrays.NotASet, match="train_labels"):
        arrays.understand(read, paths, CLASSES)


@pytest.mark.parametrize(
    "paths", [[], ["a.png"], ["train_images.npy", "a.png"], ["train_labels.npy"], ["x/train_images.npy"]]
)
def test_another_zip_is_no_set_of_arrays(paths):
    assert not arrays.is_array_set(paths)
