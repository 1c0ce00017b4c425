"""Damage to a sealed file: always an DamagedObject, never a wrong byte."""

import io
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from mediscan_site.core.storage.envelope import CHUNK_SIZE, DamagedObject
from tests.core.storage.envelopes import (
    CONTENT,
    HEADER_SIZE,
    KEY,
    OBJECT,
    SOURCES,
    STORED_CHUNK,
    THREE_CHUNKS,
    TWO_FULL_CHUNKS,
    Pipe,
    opener,
    sealed,
)


def leaked(stored: bytes, source: type[io.BytesIO], *, step: int, object_id: str = OBJECT, key: bytes = KEY) -> bytes:
    """What a reader in steps got before the DamagedObject that must come."""
    got = bytearray()
    with pytest.raises(DamagedObject), opener(stored, source, object_id=object_id, key=key) as file:
        while part := file.read(step):
            got += part
    return bytes(got)


def chunks(stored: bytes) -> list[bytes]:
    edges = [*range(HEADER_SIZE, len(stored), STORED_CHUNK), len(stored)]
    return [stored[:HEADER_SIZE], *(stored[start:end] for start, end in pairwise(edges))]


steps = st.sampled_from([1000, CHUNK_SIZE, CHUNK_SIZE + 1, 10 * CHUNK_SIZE])
originals = st.sampled_from([b"", b"x", THREE_CHUNKS[:5000], TWO_FULL_CHUNKS, THREE_CHUNKS])


@SOURCES
@given(data=originals, where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), step=steps)
@example(data=THREE_CHUNKS, where=0.0, bit=0, step=1000)
def test_any_flipped_bit_is_found(source, data, where, bit, step):
    stored = bytearray(sealed(data))
    stored[int(where * len(stored))] ^= 1 << bit
    assert data.startswith(leaked(bytes(stored), source, step=step))


@SOURCES
def test_every_flipped_bit_of_the_header_and_of_a_short_file_is_found(source):
    stored = sealed(b"short")
    for position in range(8 * len(stored)):
        damaged = bytearray(stored)
        damaged[position // 8] ^= 1 << position % 8
        assert leaked(bytes(damaged), source, step=100) == b""


@SOURCES
@given(data=originals, where=st.floats(0, 1, exclude_max=True), step=steps)
def test_any_truncation_is_found(source, data, where, step):
    stored = sealed(data)
    got = leaked(stored[: int(where * len(stored))], source, step=step)
    assert data.startswith(got)
    assert len(got) < len(data) or not data


@SOURCES
@pytest.mark.parametrize("data", [TWO_FULL_CHUNKS, THREE_CHUNKS], ids=["full last chunk", "short last chunk"])
def test_truncation_at_and_next_to_every_chunk_edge_is_found(source, data):
    stored = sealed(data)
    for edge in range(HEADER_SIZE, len(stored), STORED_CHUNK):
        for cut in {edge - 1, edge, edge + 1, edge + 15, edge + 16, edge + 17}:
            assert data.startswith(leaked(stored[:cut], source, step=CHUNK_SIZE))


@SOURCES
@given(data=originals, extra=st.binary(min_size=1, max_size=100) | st.just(bytes(STORED_CHUNK)), step=steps)
@example(data=TWO_FULL_CHUNKS, extra=bytes(16), step=CHUNK_SIZE)
def test_appended_bytes_are_found(source, data, extra, step):
    assert data.startswith(leaked(sealed(data) + extra, source, step=step))


@SOURCES
@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (0, 0, 2), (0, 2), (1, 2), (0, 1, 1, 2), (2,)])
def test_reordered_dropped_and_doubled_chunks_are_found(source, order):
    header, *body = chunks(sealed(THREE_CHUNKS))
    damaged = header + b"".join(body[number] for number in order)
    assert THREE_CHUNKS.startswith(leaked(damaged, source, step=CHUNK_SIZE))


@SOURCES
def test_an_empty_last_chunk_after_a_full_one_is_refused_even_when_its_tag_is_right(source):
    header, first, second = chunks(sealed(CONTENT[: CHUNK_SIZE + 1]))
    assert len(second) == 17
    empty = AESGCM(KEY).encrypt((1).to_bytes(11, "big") + b"\x01", b"", header + OBJECT.encode())
    assert leaked(header + first + empty, source, step=CHUNK_SIZE) in (b"", CONTENT[:CHUNK_SIZE])


@SOURCES
def test_a_chunk_of_another_object_under_the_same_key_is_found(source):
    mine, other = chunks(sealed(THREE_CHUNKS)), chunks(sealed(THREE_CHUNKS, "another"))
    damaged = b"".join([*mine[:2], other[2], mine[3]])
    assert leaked(damaged, source, step=CHUNK_SIZE) == THREE_CHUNKS[:CHUNK_SIZE]


@SOURCES
@pytest.mark.parametrize("data", [b"", THREE_CHUNKS], ids=["empty", "three chunks"])
def test_a_file_does_not_open_as_another_object_or_with_another_key(source, data):
    assert leaked(sealed(data), source, step=1000, object_id="another") == b""
    assert leaked(sealed(data), source, step=1000, key=bytes(32)) == b""


@SOURCES
@pytest.mark.parametrize("wrong", [-1, 1, CHUNK_SIZE])
def test_another_size_than_the_sealed_one_is_refused(source, wrong):
    with pytest.raises(DamagedObject, match="were sealed"), opener(sealed(b"x" * 50), source, size=50 + wrong) as file:
        file.read()


def test_the_end_of_a_cut_file_is_never_believed():
    """A reader that asks for the size first, or reads beyond it, must not take the cut for the end."""
    cut = sealed(THREE_CHUNKS)[: HEADER_SIZE + STORED_CHUNK]
    with pytest.raises(DamagedObject, match="Chunk 0"):
        opener(cut).seek(0, io.SEEK_END)
    file = opener(cut)
    file.seek(CHUNK_SIZE)
    with pytest.raises(DamagedObject):
        file.read(1)


def test_undamaged_chunks_stay_readable_and_a_second_try_does_not_get_the_damaged_one():
    stored = bytearray(sealed(THREE_CHUNKS))
    stored[HEADER_SIZE + STORED_CHUNK + 77] ^= 1
    file = opener(bytes(stored))
    for _ in range(2):
        file.seek(CHUNK_SIZE)
        with pytest.raises(DamagedObject, match="Chunk 1"):
            file.read(1)
    file.seek(2 * CHUNK_SIZE)
    assert file.read() == THREE_CHUNKS[2 * CHUNK_SIZE :]


def test_a_damaged_stream_stays_damaged_however_often_it_is_read():
    stored = bytearray(sealed(THREE_CHUNKS))
    stored[HEADER_SIZE + STORED_CHUNK + 77] ^= 1
    file = opener(bytes(stored), Pipe)
    assert file.read(CHUNK_SIZE) == THREE_CHUNKS[:CHUNK_SIZE]
    for _ in range(4):
        with pytest.raises(DamagedObject):
            file.read(1)


def test_an_integrity_error_is_none_that_image_decoders_swallow():
    assert not issubclass(DamagedObject, (OSError, ValueError, SyntaxError, EOFError, KeyError))
