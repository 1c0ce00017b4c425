"""The envelope: what goes in comes out, and whatever was touched does not come out at all."""

import hashlib
import io
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from mediscan_site.core.storage.envelope import CHUNK_SIZE, DamagedObject, Opener, Sealer, new_file_key, plaintext_size
from tests.core.storage.envelopes import (
    CONTENT,
    EDGES,
    HEADER_SIZE,
    KEY,
    OBJECT,
    SOURCES,
    STORED_CHUNK,
    THREE_CHUNKS,
    Pipe,
    opener,
    sealed,
)

sizes = st.sampled_from(EDGES) | st.integers(0, 3 * CHUNK_SIZE)


def by_the_book(data: bytes, object_id: str) -> Iterator[bytes]:
    """The published format, written a second time from its description alone."""
    header = b"MEDISCAN" + b"\0\0\0\x01" + b"\0\x01\0\0"
    yield header
    parts = [data[start : start + 65536] for start in range(0, len(data), 65536)] or [b""]
    for number, part in enumerate(parts):
        nonce = number.to_bytes(11, "big") + (b"\x01" if number == len(parts) - 1 else b"\x00")
        yield AESGCM(KEY).encrypt(nonce, part, header + object_id.encode())


VECTORS = [
    (b"", "99f2f233ee25943313989725f05408b7"),
    (b"MediScan", "58b3db95179751708eb34264c9dfe27429909408ad6173cb"),
]
LONG_VECTOR = "9cdca5c1f077c56e5133eef9cbbd84e4c4ee791a48da692b8cb569853fdbd0dd"


@pytest.mark.parametrize(("data", "body"), VECTORS)
def test_short_files_are_sealed_to_the_published_bytes(data, body):
    assert sealed(data, "vector").hex() == "4d4544495343414e0000000100010000" + body


def test_a_file_of_several_chunks_is_sealed_to_the_published_digest():
    data = b"\xa5" * (2 * CHUNK_SIZE + 3)
    assert hashlib.sha256(sealed(data, "vector")).hexdigest() == LONG_VECTOR


@pytest.mark.parametrize("size", EDGES)
def test_the_format_is_the_documented_one(size):
    assert sealed(CONTENT[:size]) == b"".join(by_the_book(CONTENT[:size], OBJECT))


@SOURCES
@given(size=sizes)
@example(size=0)
@example(size=2 * CHUNK_SIZE)
def test_what_was_sealed_is_read_back(source, size):
    stored = sealed(CONTENT[:size])
    assert opener(stored, source, size=size).read() == CONTENT[:size]
    assert plaintext_size(len(stored)) == size


@given(size=sizes, cuts=st.lists(st.integers(0, 3 * CHUNK_SIZE), max_size=8))
def test_the_pieces_in_which_a_file_arrives_do_not_matter(size, cuts):
    data = CONTENT[:size]
    sealer = Sealer(KEY, OBJECT)
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    stored = sealer.header() + b"".join(sealer.update(data[a:b]) for a, b in pairwise(edges)) + sealer.finish()
    assert stored == sealed(data)


def test_a_sealer_gives_ciphertext_as_bytes_arrive_and_holds_one_chunk_at_most():
    sealer = Sealer(KEY, OBJECT)
    assert sealer.update(CONTENT[:CHUNK_SIZE]) == b""
    assert len(sealer.update(b"x")) == STORED_CHUNK
    assert len(sealer.finish()) == 1 + 16


def test_a_finished_sealer_refuses_to_go_on():
    sealer = Sealer(KEY, OBJECT)
    sealer.finish()
    with pytest.raises(ValueError, match="new file key"):
        sealer.update(b"more")
    with pytest.raises(ValueError, match="new file key"):
        sealer.finish()


@pytest.mark.parametrize(("key", "object_id"), [(b"short", OBJECT), (KEY + b"0", OBJECT), (KEY, "")])
def test_a_wrong_key_length_and_an_empty_object_id_are_refused(key, object_id):
    with pytest.raises(ValueError, match=r"file key has 32 bytes|object id may not be empty"):
        Sealer(key, object_id)


def test_file_keys_are_32_fresh_bytes():
    keys = {new_file_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {32}


moves = st.tuples(st.sampled_from([0, 1, 2]), st.integers(-3 * CHUNK_SIZE, 3 * CHUNK_SIZE), st.integers(-1, 70_000))


@given(size=sizes, steps=st.lists(moves, max_size=12))
def test_seeking_and_reading_is_the_same_as_in_a_plain_file(size, steps):
    plain, file = io.BytesIO(CONTENT[:size]), opener(sealed(CONTENT[:size]))
    for whence, offset, count in steps:
        origin = (0, plain.tell(), size)[whence]
        assert file.seek(max(offset, -origin), whence) == plain.seek(max(offset, -origin), whence)
        assert file.read(count) == plain.read(count)
        assert file.tell() == plain.tell()


def test_a_buffered_reader_and_readinto_give_the_same_bytes():
    stored = sealed(THREE_CHUNKS)
    assert io.BufferedReader(opener(stored)).read() == THREE_CHUNKS
    reader = io.BufferedReader(opener(stored))
    assert b"".join(iter(partial(reader.read, 5000), b"")) == THREE_CHUNKS
    target = bytearray(CHUNK_SIZE + 10)
    assert opener(stored).readinto(target) == len(target)
    assert target == THREE_CHUNKS[: len(target)]
    assert opener(stored).readinto(bytearray()) == 0
    assert opener(stored).readall() == THREE_CHUNKS


def test_random_access_reads_only_the_chunks_it_needs():
    source = io.BytesIO(sealed(CONTENT))
    file = Opener(source, file_key=KEY, object_id=OBJECT)
    file.seek(3 * CHUNK_SIZE + 5)
    read: list[int | None] = []
    plain_read = source.read
    source.read = lambda size=-1: read.append(size) or plain_read(size)  # type: ignore[func-returns-value, method-assign]
    assert file.read(10) == CONTENT[3 * CHUNK_SIZE + 5 : 3 * CHUNK_SIZE + 15]
    assert read == [STORED_CHUNK]


def test_positions_before_the_start_and_unknown_origins_are_refused():
    file = opener(sealed(b"abc"))
    with pytest.raises(ValueError, match="before the start"):
        file.seek(-1)
    with pytest.raises(ValueError, match="whence 7"):
        file.seek(0, 7)
    assert file.read() == b"abc"


def test_a_stream_that_cannot_seek_says_so():
    file = opener(sealed(b"abc"), Pipe)
    assert not file.seekable()
    with pytest.raises(io.UnsupportedOperation, match="start to end"):
        file.seek(1)
    assert (file.read(2), file.tell(), file.read(), file.read()) == (b"ab", 2, b"c", b"")


def test_closing_closes_the_source_and_a_closed_file_gives_nothing():
    source = io.BytesIO(sealed(b"abc"))
    file = Opener(source, file_key=KEY, object_id=OBJECT)
    file.read(1)
    file.close()
    assert source.closed
    for use in (file.read, lambda: file.seek(0, io.SEEK_END), lambda: file.readinto(bytearray(2))):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_failed_opening_closes_the_source():
    source = io.BytesIO(b"not an envelope, but long enough to be one")
    with pytest.raises(DamagedObject, match="does not start as a MediScan envelope"):
        Opener(source, file_key=KEY, object_id=OBJECT)
    assert source.closed


@pytest.mark.parametrize("size", [-1, 0, 15, 16, 31, HEADER_SIZE + STORED_CHUNK + 1, HEADER_SIZE + STORED_CHUNK + 16])
def test_sizes_that_no_envelope_has_are_refused(size):
    possible = {len(sealed(CONTENT[:plain])) for plain in EDGES}
    assert size not in possible
    with pytest.raises(DamagedObject, match=f"cannot have {size} bytes"):
        plaintext_size(size)


@given(first=st.integers(0, 10**13), second=st.integers(0, 10**13))
def test_each_plaintext_size_has_one_stored_size(first, second):
    def stored(size: int) -> int:
        return HEADER_SIZE + size + 16 * max(1, -(-size // CHUNK_SIZE))

    assert plaintext_size(stored(first)) == first
    assert (stored(first) == stored(second)) == (first == second)
