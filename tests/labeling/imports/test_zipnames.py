"""Names of entries in code pages, in decomposed letters and with backslashes, as packers of all systems write them."""

import io
import struct
import unicodedata
import zipfile
import zlib

import pytest

from labeling.imports.archive import Archive, ArchiveError, Limits

LIMITS = Limits(entry_bytes=2**20, total_bytes=2**24)
KOREAN = ["정상", "폐렴"]


def packed(*files: tuple[bytes, bytes], extra: dict[bytes, bytes] | None = None, flag: int = 0) -> io.BytesIO:
    """A ZIP whose names are these bytes, in the local headers and in the directory; the last of equal length wins nothing."""
    out, extra = io.BytesIO(), extra or {}
    with zipfile.ZipFile(out, "w") as made:
        for number, (name, data) in enumerate(files):
            info = zipfile.ZipInfo(f"{number:05d}".ljust(len(name), "#"))
            info.extra = extra.get(name, b"")
            made.writestr(info, data)
    raw = out.getvalue()
    for number, (name, _) in enumerate(files):
        raw = raw.replace(f"{number:05d}".ljust(len(name), "#").encode(), name)
    if flag:
        raw = raw.replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00" + struct.pack("<H", flag))
        raw = raw.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00" + struct.pack("<H", flag)
        )
    return io.BytesIO(raw)


def unicode_path(raw: bytes, name: str, *, crc: int | None = None) -> bytes:
    content = b"\x01" + struct.pack("<L", zlib.crc32(raw) if crc is None else crc) + name.encode()
    return struct.pack("<HH", 0x7075, len(content)) + content


def opened(source: io.BytesIO, classes=KOREAN) -> Archive:
    return Archive(source, LIMITS, classes)


def paths(source: io.BytesIO, classes=KOREAN) -> list[str]:
    return [entry.path for entry in opened(source, classes).entries]


@pytest.mark.parametrize(
    ("code_page", "classes"),
    [
        ("cp949", KOREAN),
        ("cp932", ["正常", "肺炎"]),
        ("cp932", ["表示", "ソ"]),  # whose second bytes are a backslash
        ("gb18030", ["正常", "肺炎"]),
        ("cp950", ["正常", "許功蓋"]),
        ("cp850", ["normal", "Opacité"]),
        ("cp1252", ["Größe", "normal"]),
        ("cp1251", ["Норма", "Пневмония"]),
        ("cp866", ["Норма", "Пневмония"]),
        ("cp1253", ["Φυσιολογικό", "Άλλο"]),
    ],
)
def test_names_of_a_code_page_are_read_in_the_one_in_which_they_fit_the_classes(code_page, classes):
    names = [f"{name}\\{name}{number}.png" for number, name in enumerate(classes)]
    archive = opened(packed(*[(name.encode(code_page), b"x") for name in names]), classes)
    assert [entry.path for entry in archive.entries] == [name.replace("\\", "/") for name in names]
    assert archive.code_page and not any(entry.unsure for entry in archive.entries)
    assert [archive.read(entry) for entry in archive.entries] == [b"x", b"x"]


def test_a_folder_whose_last_byte_is_a_backslash_by_chance_is_a_file():
    assert paths(packed(("正常/表".encode("cp932"), b"x")), ["正常"]) == ["正常/表"]


def test_names_that_a_labels_file_mentions_are_understood_too():
    rows = "image_id,label\n영상1.png,A\n영상2.png,B\n".encode()
    source = packed((b"labels.csv", rows), *[(f"영상{n}.png".encode("cp949"), b"x") for n in (1, 2)])
    assert paths(source, ["A", "B"]) == ["labels.csv", "영상1.png", "영상2.png"]


def test_names_that_fit_nothing_are_marked_and_stay_apart():
    entries = opened(packed(("영상1.png".encode("cp949"), b"x"), ("영상2.png".encode("cp949"), b"x")), ["A"]).entries
    assert [entry.unsure for entry in entries] == [True, True]
    assert entries[0].path != entries[1].path


def test_the_unicode_path_field_is_the_name():
    raw = "정상/영상.png".encode("cp949")
    assert paths(packed((raw, b"x"), extra={raw: unicode_path(raw, "정상/영상.png")}), []) == ["정상/영상.png"]


@pytest.mark.parametrize(
    "field",
    [
        unicode_path(b"", "NORMAL/evil.png", crc=1),  # the name was changed by a program that does not know the field
        b"\x75\x70\x05\x00\x01\x00\x00\x00\x00",
        b"\x75\x70\xff\xff\x01",
        b"\x75",
    ],
)
def test_a_unicode_path_field_that_does_not_belong_to_the_name_is_passed_over(field):
    raw = "정상/영상.png".encode("cp949")
    # zipfile itself refuses a field that is cut off: then the whole archive is none.
    try:
        found = paths(packed((raw, b"x"), extra={raw: field}))
    except ArchiveError:
        return
    assert found == ["정상/영상.png"]


def test_a_name_in_the_field_that_points_outside_is_refused():
    raw = b"NORMAL/a.png"
    (entry,) = opened(packed((raw, b"x"), extra={raw: unicode_path(raw, "../a.png")})).entries
    assert entry.refusal.code == "unsafe_path"


def test_utf8_without_the_flag_and_decomposed_letters_are_the_same_name():
    raw = unicodedata.normalize("NFD", "폐렴/영상.png").encode()
    assert paths(packed((raw, b"x"))) == ["폐렴/영상.png"]


def test_names_that_say_utf8_and_are_not_are_refused_with_the_remedy():
    with pytest.raises(ArchiveError, match="7-Zip"):
        paths(packed(("정상/영상.png".encode("cp949"), b"x"), flag=0x800))


@pytest.mark.parametrize("name", ["NORMAL/", "NORMAL\\", "NORMAL\\b\\"])
def test_folders_are_no_files_however_they_end(name):
    assert paths(packed((name.encode(), b""), (b"NORMAL\\a.png", b"x"))) == ["NORMAL/a.png"]


def test_a_folder_that_only_its_attributes_name_is_no_file():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        info = zipfile.ZipInfo("NORMAL")
        info.external_attr = 0x10
        made.writestr(info, b"")
        made.writestr("NORMAL/a.png", b"x")
    assert paths(out) == ["NORMAL/a.png"]
