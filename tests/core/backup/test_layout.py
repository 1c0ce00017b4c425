"""A manifest and a list of objects from anywhere: read, or refused with a reason; never another exception."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediscan_site.core.backup import layout
from mediscan_site.core.backup.layout import BackupError, Entry, Manifest, Stored

GOOD = Manifest(
    name="20260304T010000Z-daily",
    kind="daily",
    made_at="2026-03-04T01:00:00+00:00",
    engine="sqlite",
    migrations={"core": ["0001_initial"]},
    rows={"core_user": 3},
    audit=(7, "ab" * 32),
    objects=1,
    objects_size=5,
    files={name: Stored("cd" * 32, 9) for name in (layout.DATABASE, layout.KEYS, layout.OBJECTS)},
    plain_database=Stored("ef" * 32, 8),
    signer="01" * 32,
    erased=["one"],
)
ID = UUID("12345678-1234-4234-8234-123456789abc")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_what_is_written_is_read_again():
    assert layout.parse(GOOD.to_bytes()) == GOOD
    assert GOOD.size == 5 + 3 * 9


@given(st.sampled_from(sorted(json.loads(GOOD.to_bytes()))), JSON)
def test_a_manifest_with_any_field_replaced_is_read_or_refused(field, value):
    document = {**json.loads(GOOD.to_bytes()), field: value}
    try:
        layout.parse(json.dumps(document).encode())
    except BackupError as error:
        assert "backup" in str(error) or "MediScan" in str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_no_manifest(data):
    with pytest.raises(BackupError):
        layout.parse(data)


def test_a_list_is_read_as_it_was_written(tmp_path):
    entry = Entry(ID, f"project-7/12/{ID}", Stored("ab" * 32, 42))
    path = tmp_path / "objects.csv"
    path.write_text(layout.line(entry))
    assert list(layout.entries(path)) == [entry]
    assert list(layout.ids(path)) == [str(ID)]


@pytest.mark.parametrize(
    "line",
    [
        f"{ID},../../etc/12/{ID},{'ab' * 32},42",
        f"{ID},/etc/12/{ID},{'ab' * 32},42",
        f"{ID},p/12/{str(ID)[:-1]}d,{'ab' * 32},42",
        f"{ID},p\\12\\{ID},{'ab' * 32},42",
        f"{ID},p/12/{ID},{'ab' * 31},42",
        f"{ID},p/12/{ID},{'ab' * 32},many",
        f"{ID},p/12/{ID},{'ab' * 32}",
        f"no-id,p/12/{ID},{'ab' * 32},42",
        "",
    ],
)
def test_a_line_that_leads_elsewhere_or_says_too_little_is_refused(tmp_path, line):
    path = tmp_path / "objects.csv"
    path.write_text(f"{line}\n")
    with pytest.raises(BackupError, match="Line 1 of objects"):
        list(layout.entries(path))
