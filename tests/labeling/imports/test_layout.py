"""Where a file lies, and what that says."""

import pytest

from labeling.imports.layout import arrange, is_system_file

CLASSES = ["NORMAL", "PNEUMONIA"]


def meaning(*paths: str) -> dict[str, tuple[str | None, str | None]]:
    return {place.path: (place.split, place.class_name) for place in arrange(paths, CLASSES).places}


def test_split_and_class_folders():
    assert meaning("train/NORMAL/a.jpg", "test/PNEUMONIA/b.jpg") == {
        "train/NORMAL/a.jpg": ("train", "NORMAL"),
        "test/PNEUMONIA/b.jpg": ("test", "PNEUMONIA"),
    }


@pytest.mark.parametrize("top", ["dataset/", "export of monday/", "a/b/"])
def test_a_folder_around_everything_means_nothing(top):
    found = meaning(f"{top}train/NORMAL/a.jpg", f"{top}val/NORMAL/b.jpg")
    assert list(found.values()) == [("train", "NORMAL"), ("val", "NORMAL")]


def test_class_folders_without_splits():
    assert list(meaning("NORMAL/a.jpg", "PNEUMONIA/b.jpg").values()) == [(None, "NORMAL"), (None, "PNEUMONIA")]


def test_a_single_class_folder_is_no_wrapper():
    assert list(meaning("NORMAL/a.jpg", "NORMAL/b.jpg").values()) == [(None, "NORMAL")] * 2
    assert list(meaning("data/NORMAL/a.jpg").values()) == [(None, "NORMAL")]


def test_a_single_split_folder_is_no_wrapper():
    assert list(meaning("train/NORMAL/a.jpg").values()) == [("train", "NORMAL")]
    assert list(meaning("train/a.jpg").values()) == [("train", None)]


def test_flat_files_with_or_without_a_folder_around():
    assert list(meaning("a.jpg", "b.jpg").values()) == [(None, None)] * 2
    assert list(meaning("scans/a.jpg", "scans/b.jpg").values()) == [(None, None)] * 2


def test_an_unknown_folder_stays_a_class_that_can_be_refused():
    assert meaning("NORMAL/a.jpg", "ZEBRA/b.jpg")["ZEBRA/b.jpg"] == (None, "ZEBRA")
    assert meaning("data/ZEBRA/b.jpg")["data/ZEBRA/b.jpg"] == (None, "ZEBRA")


def test_the_labels_file_is_found_at_the_top_and_is_no_scan():
    layout = arrange(["dataset/labels.csv", "dataset/train/NORMAL/a.jpg"], CLASSES)
    assert layout.labels_file == "dataset/labels.csv"
    assert [place.path for place in layout.places] == ["dataset/train/NORMAL/a.jpg"]


def test_a_second_labels_file_is_named():
    layout = arrange(["labels.csv", "labels.json", "a.jpg"], CLASSES)
    assert [place.problem[0] for place in layout.places if place.problem] == ["unexpected_labels_file"]


def test_archives_and_deeper_folders_are_refused_by_name():
    layout = arrange(["NORMAL/a.jpg", "NORMAL/more.zip", "NORMAL/patient7/b.jpg"], CLASSES)
    problems = {place.path: place.problem[0] for place in layout.places if place.problem}
    assert problems == {"NORMAL/more.zip": "nested_archive", "NORMAL/patient7/b.jpg": "unexpected_folder"}


def test_a_notice_beside_the_scans_is_ignored():
    assert list(meaning("README.txt", "NORMAL/a.jpg")) == ["NORMAL/a.jpg"]


@pytest.mark.parametrize(
    "path",
    [
        "__MACOSX/._a.jpg",
        "x/__MACOSX/a",
        ".DS_Store",
        "a/.DS_Store",
        "Thumbs.db",
        "a/desktop.ini",
        ".git/config",
        "._x.jpg",
    ],
)
def test_files_of_operating_systems_are_known(path):
    assert is_system_file(path)


@pytest.mark.parametrize("path", ["a.jpg", "../a.jpg", "MACOSX/a.jpg", "thumbs.db.jpg"])
def test_scans_are_no_files_of_operating_systems(path):
    assert not is_system_file(path)
