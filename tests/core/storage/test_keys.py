"""The keys file: private, whole, never overwritten; and the ring's wrapping and pseudonyms."""

import base64
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from mediscan_site.core.storage.envelope import DamagedObject, new_file_key
from mediscan_site.core.storage.keys import KeyMissing, KeyRing, KeysError
from tests.conftest import PATIENCE_S

REPOSITORY = Path(__file__).resolve().parents[3]
FILE_KEY = bytes(range(100, 132))


def encoded(first: int) -> str:
    return base64.b64encode(bytes(range(first, first + 32))).decode()


def document(**changed):
    """A keys file with known keys."""
    masters = {"k1": encoded(0), "k2": encoded(32)}
    purposes = {"audit": encoded(64), "signing": encoded(96), "pseudonym": encoded(128), "jwt": encoded(160)}
    return {"version": 1, "primary": "k2", "masters": masters, **purposes, **changed}


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "keys.json"


@pytest.fixture
def known(tmp_path):
    return KeyRing.load(write(tmp_path / "known.json", json.dumps(document())))


def everything(ring: KeyRing) -> tuple[object, ...]:
    purposes = (ring.audit_key, ring.signing_seed, ring.pseudonym_key, ring.jwt_key)
    return (ring.primary_id, ring.ids, *purposes, ring.pseudonym("a", scope="b"))


def test_a_created_file_is_private_and_loads_as_the_same_ring(path):
    made = KeyRing.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    loaded = KeyRing.load(path)
    assert everything(loaded) == everything(made)
    key_id, wrapped = made.wrap(FILE_KEY, object_id="o")
    assert loaded.unwrap(wrapped, key_id=key_id, object_id="o") == FILE_KEY


def test_created_keys_are_32_bytes_each_and_all_different(path):
    KeyRing.create(path)
    content = json.loads(path.read_text())
    assert sorted(content) == ["audit", "jwt", "masters", "primary", "pseudonym", "signing", "version"]
    keys = [*content["masters"].values(), *(content[name] for name in ("audit", "jwt", "pseudonym", "signing"))]
    assert {len(base64.b64decode(key)) for key in keys} == {32}
    assert len(set(keys)) == 5


def test_creating_never_overwrites_a_file_not_even_a_broken_one(path):
    path.parent.mkdir()
    write(path, "precious")
    with pytest.raises(KeysError, match="already"):
        KeyRing.create(path)
    assert path.read_text() == "precious"
    assert list(path.parent.iterdir()) == [path]


def test_load_or_create_makes_one_file_and_keeps_it(path):
    first = KeyRing.load_or_create(path)
    assert everything(KeyRing.load_or_create(path)) == everything(first)


def test_load_or_create_does_not_replace_a_malformed_file(path):
    path.parent.mkdir()
    write(path, "{}")
    with pytest.raises(KeysError, match="malformed"):
        KeyRing.load_or_create(path)
    assert path.read_text() == "{}"


def in_processes(count: int, expression: str, path: Path) -> list[str]:
    """Evaluate an expression over KeyRing and ``path`` in processes that start it at the same moment."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom mediscan_site.core.storage.keys import KeyRing\n"
        "path = Path(sys.argv[1])\nprint('ready', flush=True)\nsys.stdin.readline()\nprint(" + expression + ")\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=REPOSITORY, **pipes) for _ in range(count)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=PATIENCE_S)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return answers


def test_processes_that_create_at_once_end_with_the_same_keys(path):
    answers = in_processes(4, "KeyRing.load_or_create(path).audit_key.hex()", path)
    assert set(answers) == {KeyRing.load(path).audit_key.hex()}
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_add_masters_at_once_lose_none(path):
    KeyRing.create(path)
    answers = in_processes(4, "KeyRing.add_master(path).primary_id", path)
    assert [answer[:3] for answer in sorted(answers)] == ["k2-", "k3-", "k4-", "k5-"]
    ids = KeyRing.load(path).ids
    assert sorted(answers) == list(ids[1:]) and ids[0].startswith("k1-")


def test_a_missing_file_is_explained_with_a_remedy(path):
    for use in (KeyRing.load, KeyRing.add_master):
        with pytest.raises(
            KeysError, match=r"no keys file at .*Restore it.*Only a new site creates one|cannot be used"
        ):
            use(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o660, 0o601])
def test_a_file_that_others_may_use_is_refused_with_the_command_that_helps(tmp_path, mode):
    path = write(tmp_path / "keys.json", json.dumps(document()), mode)
    with pytest.raises(KeysError, match=f"mode {mode:04o}.*chmod 600"):
        KeyRing.load(path)
    path.chmod(0o400)
    assert KeyRing.load(path).primary_id == "k2"


def test_a_folder_in_the_place_of_the_file_is_explained(tmp_path):
    with pytest.raises(KeysError, match="cannot be used: Is a directory"):
        KeyRing.load(tmp_path)


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeysError, match="cannot be used: Not a directory"):
        KeyRing.create(tmp_path / "file" / "below" / "keys.json")


MALFORMED = [
    (b"", "it is not JSON"),
    (b"\xff\xfe", "it is not JSON"),
    (b"[" * 100_000, "it is not JSON"),
    ([], "its fields must be"),
    ({}, "its fields must be"),
    (document(extra=1), "its fields must be"),
    (document(version=2), "'version' must be 1"),
    (document(version=True), "'version' must be 1"),
    (document(primary="k9"), "'primary' must name"),
    (document(primary=["k1"]), "'primary' must name"),
    (document(masters={}), "'primary' must name"),
    (document(masters=[]), "'masters' must map"),
    (document(masters={"K 1": encoded(0)}), "'masters' must map"),
    (document(masters={"k2": encoded(0)[:-4]}), "'masters.k2' must be 32 bytes"),
    (document(masters={"k2": None}), "'masters.k2' must be 32 bytes"),
    (document(audit=encoded(0) + "!"), "'audit' must be 32 bytes"),
    (document(signing=""), "'signing' must be 32 bytes"),
    (document(pseudonym="é" * 44), "'pseudonym' must be 32 bytes"),
    (document(jwt=base64.b64encode(bytes(33)).decode()), "'jwt' must be 32 bytes"),
    (document(jwt=encoded(64)), "two keys are equal"),
    (json.dumps(document())[:-1].encode() + b', "jwt": "x"}', "a field occurs twice"),
]


@pytest.mark.parametrize(("content", "why"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_file_is_refused_with_the_field_and_without_a_key(tmp_path, content, why):
    path = write(tmp_path / "keys.json", content if isinstance(content, bytes) else json.dumps(content))
    with pytest.raises(KeysError) as caught:
        KeyRing.load(path)
    assert why in str(caught.value)
    assert "Restore it from its backup" in str(caught.value)
    assert encoded(64) not in str(caught.value)


def test_the_keys_are_those_of_the_file(known):
    assert (known.primary_id, known.ids) == ("k2", ("k1", "k2"))
    keys = [known.audit_key, known.signing_seed, known.pseudonym_key, known.jwt_key]
    assert keys == [bytes(range(first, first + 32)) for first in (64, 96, 128, 160)]


def test_the_public_key_verifies_what_the_seed_signs(known):
    signature = Ed25519PrivateKey.from_private_bytes(known.signing_seed).sign(b"bundle")
    Ed25519PublicKey.from_public_bytes(known.signing_public).verify(signature, b"bundle")


def test_a_printed_ring_shows_no_key(known):
    assert repr(known) == "<KeyRing primary=k2 ids=k1,k2>"


# --- wrapping -----------------------------------------------------------------------------------------------------


def test_a_wrapped_key_comes_back_and_each_wrapping_differs(known):
    file_key = new_file_key()
    wrappings = [known.wrap(file_key, object_id="o") for _ in range(20)]
    assert {known.unwrap(wrapped, key_id=key_id, object_id="o") for key_id, wrapped in wrappings} == {file_key}
    assert len({wrapped for _, wrapped in wrappings}) == 20
    assert {(key_id, len(wrapped)) for key_id, wrapped in wrappings} == {("k2", 60)}


def test_a_wrapped_key_of_the_published_format_opens(known):
    wrapped = bytes.fromhex(
        "000102030405060708090a0b2367b07cad8ca870e12cf9e4c1980a1ef7a3f14388022507441a9bfa9de882312974a39ec48914ed842f22dfbcecea1e"
    )
    assert known.unwrap(wrapped, key_id="k1", object_id="vector") == FILE_KEY


@pytest.mark.parametrize(
    "damage",
    [
        lambda wrapped: wrapped[:-1],
        lambda wrapped: wrapped + b"\0",
        lambda wrapped: b"",
        lambda wrapped: wrapped[:12],
        *(lambda wrapped, at=at: wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(60)),
    ],
)
def test_a_damaged_wrapping_does_not_open(known, damage):
    key_id, wrapped = known.wrap(FILE_KEY, object_id="o")
    with pytest.raises(DamagedObject, match="object o"):
        known.unwrap(damage(wrapped), key_id=key_id, object_id="o")


def test_a_wrapping_opens_for_its_object_and_under_its_master_only(known):
    key_id, wrapped = known.wrap(FILE_KEY, object_id="o")
    with pytest.raises(DamagedObject):
        known.unwrap(wrapped, key_id=key_id, object_id="another")
    with pytest.raises(DamagedObject):
        known.unwrap(wrapped, key_id="k1", object_id="o")
    with pytest.raises(KeyMissing, match="'k7'") as caught:
        known.unwrap(wrapped, key_id="k7", object_id="o")
    assert caught.value.key_id == "k7"


@pytest.mark.parametrize(("file_key", "object_id"), [(b"short", "o"), (FILE_KEY, "")])
def test_wrapping_refuses_a_wrong_key_length_and_an_empty_object_id(known, file_key, object_id):
    with pytest.raises(ValueError, match="32 bytes and an object id"):
        known.wrap(file_key, object_id=object_id)


# --- rotation -----------------------------------------------------------------------------------------------------


def test_a_new_master_wraps_from_now_on_and_the_old_one_still_opens(path):
    old = KeyRing.create(path)
    old_id, old_wrapped = old.wrap(FILE_KEY, object_id="o")
    new = KeyRing.add_master(path)
    assert new.primary_id.startswith("k2-") and new.ids == (old.primary_id, new.primary_id)
    assert new.unwrap(old_wrapped, key_id=old_id, object_id="o") == FILE_KEY
    new_id, new_wrapped = new.wrap(FILE_KEY, object_id="o")
    assert KeyRing.load(path).unwrap(new_wrapped, key_id=new_id, object_id="o") == FILE_KEY
    with pytest.raises(KeyMissing, match=f"'{new_id}'"):
        old.unwrap(new_wrapped, key_id=new_id, object_id="o")
    assert everything(new)[2:] == everything(old)[2:]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_removed_master_is_gone_and_the_rest_stays(path):
    old_id, wrapped = KeyRing.create(path).wrap(FILE_KEY, object_id="o")
    new_id = KeyRing.add_master(path).primary_id
    left = KeyRing.remove_master(path, old_id)
    assert (left.primary_id, left.ids, KeyRing.load(path).ids) == (new_id, (new_id,), (new_id,))
    with pytest.raises(KeyMissing, match=f"'{old_id}'"):
        left.unwrap(wrapped, key_id=old_id, object_id="o")
    assert KeyRing.add_master(path).primary_id.startswith("k3-")


def test_no_two_files_call_different_keys_the_same_and_files_with_plain_numbers_go_on(path, tmp_path):
    names = {KeyRing.create(tmp_path / f"{number}.json").primary_id for number in range(5)}
    assert len(names) == 5
    write(path.parent.parent / "plain.json", json.dumps(document()))
    grown = KeyRing.add_master(path.parent.parent / "plain.json")
    assert grown.ids == ("k1", "k2", grown.primary_id) and grown.primary_id.startswith("k3-")


def test_what_a_key_is_known_by_differs_for_each_key_and_stays_the_same(known):
    checks = known.checks()
    assert sorted(checks) == ["audit", "jwt", "master k1", "master k2", "pseudonym", "signing"]
    assert len(set(checks.values())) == 6
    assert known.checks() == checks
    keys = [base64.b64decode(encoded(first)).hex() for first in range(0, 192, 32)]
    assert not set(keys) & set(checks.values())


@pytest.mark.parametrize(("key_id", "why"), [("k2", "is the primary"), ("k9", "'k9' is not in")])
def test_removing_the_primary_or_an_unknown_master_changes_nothing(path, key_id, why):
    path.parent.mkdir()
    write(path, json.dumps(document()))
    before = path.read_bytes()
    with pytest.raises(KeysError, match=why):
        KeyRing.remove_master(path, key_id)
    assert path.read_bytes() == before


def test_changing_through_a_link_changes_the_file_it_points_to(path, tmp_path):
    old = KeyRing.create(path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    new = KeyRing.add_master(link)
    assert link.is_symlink()
    assert KeyRing.load(path).ids == (old.primary_id, new.primary_id)


# --- pseudonyms ---------------------------------------------------------------------------------------------------


def test_a_pseudonym_is_the_published_one(known):
    assert known.pseudonym("Patient 7", scope="project-1") == "PLRUSCLSKXLIG2IDS"


@given(value=st.text(min_size=1).filter(str.strip), scope=st.text(max_size=20))
def test_spelling_does_not_change_a_pseudonym(value, scope):
    ring = KeyRing(primary="k1", masters={"k1": bytes(32)}, purposes={"pseudonym": bytes(range(32))})
    expected = ring.pseudonym(value, scope=scope)
    assert len(expected) == 17
    assert expected[0] == "P"
    assert set(expected[1:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    variants = [f" \t{value}\n", unicodedata.normalize("NFD", value), unicodedata.normalize("NFC", value).casefold()]
    assert {ring.pseudonym(variant, scope=scope) for variant in variants} == {expected}


def test_other_values_scopes_and_keys_give_other_pseudonyms(known, path):
    pairs = [
        ("a", "b"),
        ("b", "a"),
        ("ab", ""),
        ("b", "ab"),
        ("a", "bb"),
        ("007", "p"),
        ("7", "p"),
        ("é", "p"),
        ("e", "p"),
    ]
    other = KeyRing.create(path)
    found = {ring.pseudonym(value, scope=scope) for ring in (known, other) for value, scope in pairs}
    assert len(found) == 2 * len(pairs)


@pytest.mark.parametrize("value", ["", "  ", "\t\n"])
def test_a_blank_value_has_no_pseudonym(known, value):
    with pytest.raises(ValueError, match="blank"):
        known.pseudonym(value, scope="p")
