"""Pieces read as one file: any reads and seeks give what the whole would."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.imports.joined import joined

MOVES = st.lists(
    st.tuples(st.sampled_from(["read", "set", "end", "here"]), st.integers(-40, 400)), min_size=1, max_size=30
)


class Tracked(io.BytesIO):
    opened = 0

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        Tracked.opened += 1

    def close(self) -> None:
        Tracked.opened -= not self.closed
        super().close()


def moved(file, how: str, number: int):
    try:
        if how == "read":
            return file.read(number if number >= 0 else -1)
        whence = {"set": io.SEEK_SET, "end": io.SEEK_END, "here": io.SEEK_CUR}[how]
        return file.seek(-number if how == "end" else number, whence)
    except ValueError:
        return "before the start"


@given(st.lists(st.binary(max_size=90), max_size=6), MOVES)
def test_it_reads_like_the_whole(pieces, moves):
    Tracked.opened = 0
    whole = io.BytesIO(b"".join(pieces))
    with joined([len(piece) for piece in pieces], lambda number: Tracked(pieces[number])) as file:
        for how, number in moves:
            before = whole.tell()
            # BytesIO stops at 0 for a relative seek before the start; a file refuses it.
            if {"here": before + number, "end": len(whole.getvalue()) - number}.get(how, 0) < 0:
                continue
            expected = moved(whole, how, number)
            assert moved(file, how, number) == expected
        assert Tracked.opened <= 1
    assert Tracked.opened == 0


def test_a_zip_in_pieces_is_read_by_zipfile():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(50):
            made.writestr(f"{number}.bin", bytes([number]) * 1000 * number)
    data = out.getvalue()
    pieces = [data[at : at + 7777] for at in range(0, len(data), 7777)]
    with joined([len(piece) for piece in pieces], lambda number: io.BytesIO(pieces[number])) as file:
        archive = zipfile.ZipFile(file)
        assert archive.testzip() is None
        assert len(archive.namelist()) == 50


def test_a_damaged_piece_raises_where_it_is_read():
    def broken(number: int) -> io.BytesIO:
        if number == 1:
            raise OSError("gone")
        return io.BytesIO(b"0123456789")

    with joined([10, 10], broken) as file:
        assert file.read(5) == b"01234"
        with pytest.raises(OSError, match="gone"):
            file.read(10)
