"""Hostile and clumsy ZIPs: one bad entry is refused by name, the others are read."""

import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.imports import archive
from labeling.imports.archive import Archive, ArchiveError, EntryRefused, Limits

LIMITS = Limits(entry_bytes=4 * 2**20, total_bytes=64 * 2**20)


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            made.writestr(info, data)
    out.seek(0)
    return out


def read_all(source: io.BytesIO, limits: Limits = LIMITS) -> dict[str, bytes | str]:
    """Path to content, or to the code of the refusal."""
    found: dict[str, bytes | str] = {}
    opened = Archive(source, limits)
    for entry in opened.entries:
        try:
            found[entry.path] = opened.read(entry)
        except EntryRefused as refused:
            found[entry.path] = refused.code
    return found


def test_plain_files_come_out_as_they_went_in():
    files = {"a/x.jpg": b"1", "a/Röntgen bild (1) – ünïcode.JPG": b"2" * 5000}
    assert read_all(packed(files)) == files


@pytest.mark.parametrize(
    "name",
    ["../evil.jpg", "a/../../evil.jpg", "/etc/passwd", "C:\\windows\\x.jpg", "c:/x.jpg", "..\\x.jpg", "a\x07b.jpg"],
)
def test_a_name_that_points_elsewhere_is_refused_and_the_next_file_is_read(name):
    found = read_all(packed({name: b"evil", "good.jpg": b"good"}))
    assert found.pop("good.jpg") == b"good"
    assert list(found.values()) == ["unsafe_path"]


def test_an_entry_without_a_name_is_refused_and_the_next_file_is_read():
    data = packed({"a": b"x", "good.jpg": b"g"}).getvalue()
    # The name's length, in the local header (offset 26) and in the directory (offset 28), set to none.
    spoiled, directory = bytearray(data), data.index(b"PK\x01\x02")
    spoiled[26:28] = spoiled[directory + 28 : directory + 30] = b"\0\0"
    del spoiled[directory + 46]
    end = spoiled.index(b"PK\x05\x06")
    size = int.from_bytes(spoiled[end + 12 : end + 16], "little") - 1
    spoiled[end + 12 : end + 16] = size.to_bytes(4, "little")
    found = read_all(io.BytesIO(bytes(spoiled)))
    assert found == {"(entry 1, without a name)": "unsafe_path", "good.jpg": b"g"}


def test_a_nul_in_a_name_is_refused():
    data = packed({"a#b.jpg": b"x", "good.jpg": b"g"}).getvalue().replace(b"a#b.jpg", b"a\x00b.jpg")
    assert sorted(map(str, read_all(io.BytesIO(data)).values())) == ["b'g'", "unsafe_path"]


def test_backslashes_of_a_windows_packer_are_folders():
    assert read_all(packed({"train\\NORMAL\\x.jpg": b"x"})) == {"train/NORMAL/x.jpg": b"x"}


def test_utf8_names_of_a_packer_that_does_not_say_so_are_understood():
    data = packed({"ä.jpg": b"x"}).getvalue()
    # Clear the flag in the local header and in the directory, as macOS writes it.
    local = data.replace(b"PK\x03\x04\x14\x00\x00\x08", b"PK\x03\x04\x14\x00\x00\x00")
    both = local.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x08", b"PK\x01\x02\x14\x03\x14\x00\x00\x00")
    assert both != data
    assert list(read_all(io.BytesIO(both))) == ["ä.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp437", "cp932", "gb18030", "koi8-r"])
def test_names_in_any_encoding_are_read_and_stay_apart(encoding):
    names = {"cp932": ["胸部.jpg", "肺.jpg"], "gb18030": ["胸片.jpg", "肺.jpg"], "koi8-r": ["грудь.jpg", "лёгкое.jpg"]}
    wanted = names.get(encoding, ["Thörax.jpg", "größe.jpg"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number, name in enumerate(wanted):
            made.writestr("0" * (len(name.encode(encoding)) - 1) + str(number), b"x")
    data = out.getvalue()
    for number, name in enumerate(wanted):
        raw = name.encode(encoding)
        data = data.replace(b"0" * (len(raw) - 1) + str(number).encode(), raw)
    found = read_all(io.BytesIO(data))
    assert list(found.values()) == [b"x", b"x"]
    if encoding in ("utf-8", "cp437"):
        assert list(found) == wanted


def test_a_link_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
        made.writestr("good.jpg", b"g")
    assert read_all(out) == {"link.jpg": "not_a_file", "good.jpg": b"g"}


def test_an_encrypted_entry_is_refused():
    data = bytearray(packed({"secret.jpg": b"x" * 50, "good.jpg": b"g"}).getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert read_all(io.BytesIO(bytes(data))) == {"secret.jpg": "encrypted_entry", "good.jpg": b"g"}


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_compression_is_refused(method):
    assert read_all(packed({"x.jpg": b"x"}, method)) == {"x.jpg": "unsupported_compression"}


def test_a_bomb_is_refused_before_it_unfolds_and_the_next_file_is_read():
    source = packed({"bomb.png": b"\0" * (3 * 2**20), "good.jpg": b"g"})
    limits = Limits(entry_bytes=2**30, total_bytes=2**30)
    assert read_all(source, limits) == {"bomb.png": "zip_bomb", "good.jpg": b"g"}


def test_an_entry_that_lies_about_its_size_is_stopped_by_what_it_gives():
    data = bytearray(packed({"x.jpg": b"\0" * 200_000}).getvalue())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    found = read_all(io.BytesIO(bytes(data)), Limits(entry_bytes=1000, total_bytes=2**20))
    assert found == {"x.jpg": "damaged_entry"}


def test_an_entry_over_the_limit_is_refused():
    found = read_all(packed({"big.jpg": b"x" * 2000, "ok.jpg": b"y"}), Limits(entry_bytes=1000, total_bytes=10_000))
    assert found == {"big.jpg": "too_large", "ok.jpg": b"y"}


def test_the_sum_of_all_files_is_limited_by_what_was_really_read():
    source = packed({f"{n}.jpg": bytes([n]) * 900 for n in range(5)}, zipfile.ZIP_STORED)
    found = read_all(source, Limits(entry_bytes=1000, total_bytes=2000))
    assert [value == "archive_too_large" for value in found.values()] == [False, False, True, True, True]


def test_too_many_entries_refuse_the_whole_file():
    with pytest.raises(ArchiveError, match="Split it"):
        Archive(packed({f"{n}": b"" for n in range(11)}), Limits(entry_bytes=1, total_bytes=1, entries=10))


def test_a_forged_directory_cannot_fill_the_memory(monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_READ", 500)
    with pytest.raises(ArchiveError):
        Archive(packed({f"{n:03}.jpg": b"" for n in range(20)}), LIMITS)


def test_entries_that_share_bytes_are_refused():
    """A flat bomb: many directory entries point to one piece of data."""
    data = packed({"a.jpg": b"x" * 3000, "b.jpg": b"y" * 3000}, zipfile.ZIP_STORED).getvalue()
    second = data.rindex(b"PK\x01\x02")
    forged = bytearray(data)
    forged[second + 42 : second + 46] = struct.pack("<I", 5)
    assert "zip_bomb" in read_all(io.BytesIO(bytes(forged))).values()


def test_a_repeated_path_is_reported_and_the_first_one_is_read():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made, pytest.warns(UserWarning):
        made.writestr("x.jpg", b"first")
        made.writestr("x.jpg", b"second")
    assert list(read_all(out).values()) == [b"first", "duplicate_path"]


def test_a_flipped_byte_is_found():
    data = bytearray(packed({"x.jpg": b"x" * 3000, "y.jpg": b"y"}, zipfile.ZIP_STORED).getvalue())
    data[100] ^= 1
    assert read_all(io.BytesIO(bytes(data))) == {"x.jpg": "damaged_entry", "y.jpg": b"y"}


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda _: b"no zip at all" * 50, lambda data: data[: len(data) // 2]])
def test_what_is_no_zip_is_refused_with_a_remedy(spoil):
    with pytest.raises(ArchiveError, match="Pack the scans again"):
        Archive(io.BytesIO(spoil(packed({"x.jpg": b"x" * 500}).getvalue())), LIMITS)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_ends_in_a_refusal_and_never_in_another_error(data):
    whole = packed(
        {"a.jpg": b"x" * 300, "train/N/b.jpg": bytes(range(256)), "labels.csv": b"image_id,label\n"}
    ).getvalue()
    spoiled = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 40))
    try:
        read_all(io.BytesIO(bytes(spoiled[: len(spoiled) - cut])))
    except ArchiveError:
        return
