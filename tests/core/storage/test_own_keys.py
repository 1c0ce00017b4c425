"""A key file that is not the site's own is refused by whatever would seal or open something with it."""

import json
import shutil
from pathlib import Path

import pytest
from django.core.management import call_command

from mediscan_site.core import readiness
from mediscan_site.core.models import Blob, KeyCheck
from mediscan_site.core.storage import blobs, own_keys, ring, rotation
from mediscan_site.core.storage.foreign import ForeignKeys
from mediscan_site.core.storage.keyfile import KeysError
from mediscan_site.core.storage.keys import KeyRing
from tests.conftest import scan_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def key_file(settings, tmp_path, monkeypatch):
    """The site's key file as a copy that a test may change."""
    settings.KEYS_FILE = Path(shutil.copy(settings.KEYS_FILE, tmp_path / "keys.json"))
    monkeypatch.setattr(ring, "_loaded_at", None)
    ring.current()
    yield settings.KEYS_FILE
    ring.forget()


def stored() -> Blob:
    blob = blobs.write(b"a scan", namespace="7", content_type="image/png")
    blob.save(force_insert=True)
    return blob


def swapped(path: Path, *, same_names: bool = True) -> None:
    """Another site's file in its place, as an older version made it: with the same name for its first key."""
    other = path.with_name("other.json")
    other.unlink(missing_ok=True)
    primary = json.loads(path.read_text())["primary"]
    theirs = json.loads((KeyRing.create(other), other.read_text())[1])
    if same_names:
        theirs["masters"] = {primary: next(iter(theirs["masters"].values()))}
        theirs["primary"] = primary
    other.write_text(json.dumps(theirs))
    other.replace(path)


def upload(api, author, project, seed: int = 3):
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("scan.jpg", scan_bytes(seed), content_type="image/jpeg")
    client = api(author)
    client.raise_request_exception = False
    return client.post("/api/v1/images/", {"project": project.pk, "file": file}, format="multipart")


@pytest.mark.parametrize("same_names", [True, False])
def test_a_file_swapped_under_a_running_site_stores_nothing(key_file, api, author, project, client, same_names):
    assert upload(api, author, project).status_code == 201
    count, whole = Blob.objects.count(), key_file.read_bytes()
    swapped(key_file, same_names=same_names)
    answer = upload(api, author, project, seed=4)
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "keys_unusable"
    assert "key file" in answer.json()["errors"][0]["detail"]
    assert str(key_file) not in answer.content.decode()
    assert Blob.objects.count() == count
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["keys"]) == (503, "foreign")
    key_file.write_bytes(whole)
    assert client.get("/readyz").json()["parts"]["keys"] == "ok"


def test_a_file_removed_under_a_running_site_is_said_and_is_no_fault(key_file, api, author, project, client):
    key_file.unlink()
    answer = upload(api, author, project)
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "keys_unusable"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["keys"]) == (503, "unusable")


def test_a_stored_scan_is_not_damaged_while_its_key_is_away(key_file, client, author, make_scan):
    scan = make_scan(seed=4)
    client.force_login(author)
    key_file.unlink()
    client.raise_request_exception = False
    answer = client.get(f"/api/v1/images/{scan.pk}/file/")
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "keys_unusable"


@pytest.mark.parametrize("purpose", ["audit", "signing", "pseudonym", "jwt"])
def test_one_other_key_makes_it_another_file(key_file, purpose):
    document = json.loads(key_file.read_text())
    theirs = KeyRing.create(key_file.with_name("theirs.json"))
    assert theirs
    document[purpose] = json.loads(key_file.with_name("theirs.json").read_text())[purpose]
    key_file.write_text(json.dumps(document))
    with pytest.raises(ForeignKeys, match=f"{purpose} differ.*Put the site's own key file"):
        ring.current()


def test_the_file_from_before_a_rotation_is_refused_once_objects_need_the_new_master(key_file):
    stored()
    before = key_file.read_bytes()
    call_command("rotate_keys")
    key_file.write_bytes(before)
    with pytest.raises(ForeignKeys, match=r"lacks master key k[0-9]-.*older than the last rotation"):
        ring.current()


def test_a_rotation_that_was_killed_before_the_first_row_goes_on_with_either_file(key_file):
    """The file has the new master, no row has it yet: the old file is as good, and the new one is learnt."""
    blob, before = stored(), key_file.read_bytes()
    KeyRing.add_master(key_file)
    new = ring.current().primary_id
    assert KeyCheck.objects.filter(name=f"master {new}").exists()
    key_file.write_bytes(before)
    assert blobs.read(blob) == b"a scan"
    KeyRing.add_master(key_file)
    call_command("rotate_keys", resume=True)
    blob.refresh_from_db()
    assert blob.key_id == ring.current().primary_id
    assert blobs.read(blob) == b"a scan"


def test_a_retired_master_is_not_missed(key_file):
    blob = stored()
    old = blob.key_id
    call_command("rotate_keys", retire=old)
    assert not KeyCheck.objects.filter(name=f"master {old}").exists()
    ring.forget()
    blob.refresh_from_db()
    assert blobs.read(blob) == b"a scan"
    assert rotation.in_words(old) == ""


def test_a_rotation_of_another_sites_file_is_refused_and_leaves_it_alone(key_file):
    stored()
    swapped(key_file)
    before = key_file.read_bytes()
    with pytest.raises(ForeignKeys):
        call_command("rotate_keys")
    assert key_file.read_bytes() == before


def test_a_site_from_before_check_values_takes_only_the_file_that_opens_what_it_has(key_file):
    for _ in range(3):
        stored()
    KeyCheck.objects.all().delete()
    whole = key_file.read_bytes()
    swapped(key_file)
    with pytest.raises(ForeignKeys, match="opens 0 of 3 stored file keys"):
        ring.current()
    assert not KeyCheck.objects.exists()
    key_file.write_bytes(whole)
    ring.current()
    assert set(KeyCheck.objects.values_list("name", flat=True)) == set(KeyRing.load(key_file).checks())


def test_a_few_damaged_rows_do_not_lock_a_site_out(key_file):
    kept = [stored() for _ in range(3)]
    Blob.objects.filter(pk=kept[0].pk).update(wrapped_key=b"x" * 60)
    KeyCheck.objects.all().delete()
    ring.forget()
    ring.current()
    assert KeyCheck.objects.exists()


def test_check_values_are_no_keys(key_file):
    document = json.loads(key_file.read_text())
    keys = {*document["masters"].values(), *(document[name] for name in ("audit", "signing", "pseudonym", "jwt"))}
    import base64

    kept = set(KeyCheck.objects.values_list("value", flat=True))
    assert kept and not kept & {base64.b64decode(key).hex() for key in keys}


def test_after_a_restore_the_renewed_token_key_is_the_sites(key_file):
    document = json.loads(key_file.read_text())
    other = KeyRing.create(key_file.with_name("theirs.json")).jwt_key
    import base64

    document["jwt"] = base64.b64encode(other).decode()
    key_file.write_text(json.dumps(document))
    with pytest.raises(KeysError):
        ring.current()
    with ring.trusted():
        own_keys.adopt(ring.current())
    assert ring.current().jwt_key == other
    assert readiness.states()[0]["keys"] == "ok"
