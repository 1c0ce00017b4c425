"""Where a file lies, and what that says."""

import pytest

from labeling.imports.layout import Place, arrange, is_system_file

CLASSES = ["NORMAL", "PNEUMONIA", "1", "Test"]


def places(*paths: str) -> dict[str, Place]:
    return {place.path: place for place in arrange(paths, CLASSES)}


def meaning(*paths: str) -> dict[str, tuple[str | None, str | None]]:
    return {path: (place.split, place.class_name) for path, place in places(*paths).items()}


def problems(*paths: str) -> dict[str, str]:
    return {path: place.problem[0] for path, place in places(*paths).items() if place.problem}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train/NORMAL/a.jpg", ("train", "NORMAL")),
        ("NORMAL/a.jpg", (None, "NORMAL")),
        ("a.jpg", (None, None)),
        ("train/a.jpg", ("train", None)),
        # sides by other words and in any case
        ("valid/NORMAL/a.jpg", ("val", "NORMAL")),
        ("Validation/NORMAL/a.jpg", ("val", "NORMAL")),
        ("DEV/a.jpg", ("val", None)),
        ("Train/NORMAL/a.jpg", ("train", "NORMAL")),
        ("TEST/NORMAL/a.jpg", ("test", "NORMAL")),
        ("NORMAL/test/a.jpg", ("test", "NORMAL")),
        # folders that mean nothing, around, between and below
        ("histology/breast/NORMAL/SOB/adenosis/SOB_B_A_14/40X/a.png", (None, "NORMAL")),
        ("chest_xray/chest_xray/train/NORMAL/a.jpg", ("train", "NORMAL")),
        ("NORMAL/patient7/b.jpg", (None, "NORMAL")),
        ("fold 1/train/40X/PNEUMONIA/b.jpg", ("train", "PNEUMONIA")),
        ("NORMAL/x/NORMAL/a.jpg", (None, "NORMAL")),
        # a side without a class only right above the file
        ("test/patient 1/study/a.dcm", (None, None)),
        # a class that is called like a side
        ("Test/a.jpg", (None, "Test")),
        ("train/Test/a.jpg", ("train", "Test")),
        ("Test/NORMAL/a.jpg", ("test", "NORMAL")),
    ],
)
def test_what_the_folders_of_a_file_say(path, expected):
    assert meaning(path, "other/x/y.jpg", "z.jpg")[path] == expected


@pytest.mark.parametrize("top", ["dataset/", "export of monday/", "a/b/"])
def test_a_folder_around_everything_means_nothing(top):
    found = meaning(f"{top}train/NORMAL/a.jpg", f"{top}val/NORMAL/b.jpg")
    assert list(found.values()) == [("train", "NORMAL"), ("val", "NORMAL")]


def test_single_folders_that_mean_something_are_no_wrappers():
    assert list(meaning("NORMAL/a.jpg", "NORMAL/b.jpg").values()) == [(None, "NORMAL")] * 2
    assert list(meaning("data/NORMAL/a.jpg").values()) == [(None, "NORMAL")]
    assert list(meaning("train/NORMAL/a.jpg").values()) == [("train", "NORMAL")]
    assert list(meaning("scans/a.jpg", "scans/b.jpg").values()) == [(None, None)] * 2


def test_folders_that_are_no_class_are_kept_to_be_named():
    assert places("NORMAL/a.jpg", "ZEBRA/b.jpg")["ZEBRA/b.jpg"].strange == ("ZEBRA",)
    assert places("data/ZEBRA/b.jpg")["data/ZEBRA/b.jpg"].strange == ("ZEBRA",)
    assert places("normal/b.jpg", "NORMAL/c.jpg")["normal/b.jpg"].near == "NORMAL"


def test_two_classes_or_two_sides_in_one_path_are_refused_by_name():
    wrong = ["NORMAL/x/PNEUMONIA/a.jpg", "train/test/NORMAL/b.jpg", "train/val/c.jpg"]
    assert problems("NORMAL/ok.jpg", *wrong) == dict.fromkeys(wrong, "contradictory_folders")


@pytest.mark.parametrize(
    ("path", "firm"),
    [
        ("NORMAL/IM1", True),
        ("train/NORMAL/p1/IM1", True),
        ("1/IM1", True),
        ("patients/NORMAL/IM1", True),
        ("PAT1/1/IM1", False),  # a series
        ("CD/NORMAL/IM1", True),
        ("CD/PAT/NORMAL/IM1", False),
    ],
)
def test_folders_of_dicom_files_may_be_called_like_a_class_by_chance(path, firm):
    assert places(path, "CD/DICOMDIR", "z.jpg")[path].firm is firm


def test_the_labels_file_is_no_scan_and_a_second_one_is_named():
    found = arrange(["dataset/labels.csv", "dataset/train/NORMAL/a.jpg"], CLASSES, {"dataset/labels.csv"})
    assert [place.path for place in found] == ["dataset/train/NORMAL/a.jpg"]
    found = arrange(["labels.csv", "labels.json", "a.jpg"], CLASSES, {"labels.csv"})
    assert [place.problem[0] for place in found if place.problem] == ["unexpected_labels_file"]


def test_archives_are_refused_by_name():
    assert problems("NORMAL/a.jpg", "NORMAL/more.zip") == {"NORMAL/more.zip": "nested_archive"}


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
