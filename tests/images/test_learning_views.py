"""Views for learning as they are stored: made at first need or at intake, of frames too, gone with the scan."""

import io
import threading

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from PIL import Image as Picture

from images import learning, renditions
from images.models import Image, Rendition, RenditionKind
from images.services import ScanFacts, create_project, delete_scan, keeping, store_scan
from images.services.keeping import wants_views
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs, damage
from mediscan_site.core.storage.envelope import DamagedObject
from tests.conftest import CLASSES, scan_bytes
from tests.images.decoding.dicoms import dicom

FRAMES = np.stack([np.add.outer(np.arange(40), np.arange(60)) * 10 + 500 * number for number in range(3)]).astype(
    np.uint16
)
pytestmark = pytest.mark.django_db


def take(actor, project, data: bytes, name: str = "a.dcm") -> Image:
    return store_scan(actor=actor, project=project, source=io.BytesIO(data), file_name=name, facts=ScanFacts())[0]


@pytest.fixture
def cine(project, author):
    return take(author, project, dicom(FRAMES))


def views(image: Image | None = None):
    rows = Rendition.objects.filter(kind=RenditionKind.LEARNING)
    return rows if image is None else rows.filter(image=image)


def colour_scan() -> bytes:
    buffer = io.BytesIO()
    Picture.fromarray(np.random.default_rng(1).integers(0, 255, (50, 70, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def spoil(blob_files, blob: Blob) -> None:
    path = next(path for path in blob_files() if path.name == str(blob.pk))
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_what_kind_of_view_it_is_is_known_without_its_pixels(project, author, cine, monkeypatch):
    note = "The values of the file are no numbers that can be used"
    odd = take(author, project, dicom(FRAMES[:1], RescaleSlope="1e38"))
    kinds = {scan.pk: learning.view(scan) for scan in (cine, odd, take(author, project, colour_scan(), "a.png"))}
    assert [seen.has_values for seen in kinds.values()] == [True, False, False]
    monkeypatch.setattr(learning.np, "asarray", None)
    for scan in Image.objects.filter(pk__in=kinds):
        assert learning.kind(scan) == (kinds[scan.pk].has_values, kinds[scan.pk].note)
    assert learning.kind(cine, 2) == (True, "")
    assert learning.kind(odd)[1].startswith(note)


def test_a_view_is_made_at_first_need_and_then_read(project, author, monkeypatch):
    image = take(author, project, colour_scan(), "a.png")
    assert not views().exists()
    seen = learning.view(image)
    assert seen.pixels.shape == (50, 70, 3)
    monkeypatch.setattr(renditions, "decode", None)
    assert np.array_equal(learning.view(image).pixels, seen.pixels)
    blob = views(image).get().blob
    assert blob.size and blob.wrapped_key and blob.path.startswith(f"project-{project.pk}/")


@pytest.fixture
def seeing(project, monkeypatch):
    """A network of the project sees views."""
    monkeypatch.setattr(keeping, "_seers", [lambda asked: asked == project])


def test_a_scan_gets_its_view_at_intake_where_a_network_sees_views(seeing, project, admin, store, monkeypatch):
    other = create_project(actor=admin, name="Other", classes=CLASSES)
    assert wants_views(project) and not wants_views(other)
    second = store(2)
    assert views(second).exists()
    monkeypatch.setattr(renditions, "decode", None)
    assert learning.view(second).pixels.ndim == 2


def test_an_import_of_many_makes_views_where_a_network_sees_them(seeing, project, author, store):
    from labeling.imports.stream import Parcel, Stream

    store(1)
    with Stream(actor=author, project=project, source="import", report=lambda group: None) as stream:
        for seed in range(20, 23):
            stream.add(Parcel(data=scan_bytes(seed), file_name=f"{seed}.jpg", facts=ScanFacts(), tag=str(seed)))
        stream.finish()
    assert views().count() == Image.objects.count() == 4


def test_frames_have_views_tiles_and_pictures_of_their_own(cine):
    assert cine.frames == 3
    for number in (1, 2, 3):
        assert np.array_equal(learning.view(cine, number).pixels, FRAMES[number - 1])
        assert renditions.tile(cine, number).shape == (256, 256)
    assert np.array_equal(learning.view(cine).pixels, FRAMES[0])
    assert sorted(views(cine).values_list("frame", flat=True)) == [0, 1, 2, 3]
    for wrong in (-1, 4):
        with pytest.raises(NotFound) as missing:
            learning.view(cine, wrong)
        assert missing.value.code == "does_not_exist"


def test_the_only_frame_of_a_scan_is_the_scan(store):
    image = store(1)
    assert np.array_equal(learning.view(image, 1).pixels, learning.view(image).pixels)
    assert views(image).get().frame == 0


def test_many_views_are_found_with_one_query(store, cine, django_assert_num_queries):
    for image in (store(1), store(2)):
        learning.view(image)
    learning.view(cine, 2)
    rows = list(Image.objects.order_by("pk").prefetch_related(learning.stored_views("")))
    with django_assert_num_queries(0):
        shapes = [learning.view(image, 2 if image.pk == cine.pk else 0).pixels.shape for image in rows]
    assert shapes[0] == (40, 60) and len(shapes) == 3


def test_a_damaged_view_is_refused_found_and_made_again(project, author, store, blob_files, capsys):
    image, whole = store(1), store(2)
    before, untouched = learning.view(image).pixels, learning.view(whole)
    assert untouched.pixels.size
    lost = views(image).get().blob
    spoil(blob_files, lost)
    with pytest.raises(DamagedObject):
        learning.view(image)
    out = io.StringIO()
    with pytest.raises(CommandError, match="make_views"):
        call_command("verify_images", stdout=out)
    assert f"rendition learning of {image.pk}" in out.getvalue()
    call_command("make_views", stdout=out)
    assert "1 made, 0 could not be made, 0 left." in out.getvalue()
    assert np.array_equal(learning.view(Image.objects.get(pk=image.pk)).pixels, before)
    lost.refresh_from_db()
    assert lost.wrapped_key is None and lost.erased_at and not damage.damaged().exists()
    call_command("verify_images", stdout=out)


def test_a_damaged_tile_is_made_again_too(store, blob_files):
    image = store(1)
    tile = renditions.tile(image)
    spoil(blob_files, Rendition.objects.get(image=image, kind=RenditionKind.TILE).blob)
    with pytest.raises(CommandError):
        call_command("verify_images", stdout=io.StringIO())
    call_command("make_views", stdout=io.StringIO())
    assert np.array_equal(renditions.tile(Image.objects.get(pk=image.pk)), tile)


def test_erasing_a_scan_erases_its_views_and_nothing_makes_one_again(cine, admin, blob_files):
    learning.view(cine), learning.view(cine, 3), renditions.tile(cine, 2)
    objects = list(Rendition.objects.filter(image=cine).values_list("blob", flat=True))
    assert len(objects) == 5
    delete_scan(actor=admin, image=cine)
    assert not Rendition.objects.filter(image=cine).exists()
    assert set(Blob.objects.filter(pk__in=objects).values_list("sha256", "wrapped_key")) == {("", None)}
    with pytest.raises(NotFound):
        learning.view(Image.objects.get(pk=cine.pk))


@pytest.mark.django_db(transaction=True)
def test_two_that_need_a_view_at_once_get_the_same(store, blob_files):
    image, barrier, found = store(1), threading.Barrier(2), []

    def need() -> None:
        try:
            barrier.wait()
            found.append(learning.view(Image.objects.get(pk=image.pk)).pixels)
        finally:
            connection.close()

    threads = [threading.Thread(target=need) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(*found)
    assert views(image).count() == 1
    assert {path.name for path in blob_files()} == {str(pk) for pk in Blob.objects.values_list("pk", flat=True)}


@pytest.mark.django_db(transaction=True)
def test_make_views_goes_on_where_it_was_and_names_what_gives_none(store, project, admin, blob_files):
    other = create_project(actor=admin, name="Other", classes=CLASSES)
    images = [store(seed) for seed in range(3)]
    elsewhere = store(9, into=other, actor=admin)
    spoil(blob_files, images[1].blob)
    out = io.StringIO()
    call_command("make_views", project=project.name, limit=1, stdout=out)
    assert "1 made, 0 could not be made, 2 left." in out.getvalue()
    with pytest.raises(CommandError, match="1 could not be made"):
        call_command("make_views", stdout=out)
    assert f"{images[1].code} (learning): The stored file of the scan is damaged" in out.getvalue()
    assert set(views().values_list("image", flat=True)) == {images[0].pk, images[2].pk, elsewhere.pk}
    with pytest.raises(CommandError, match="no project"):
        call_command("make_views", project="Nowhere", stdout=out)


@pytest.mark.django_db(transaction=True)
def test_what_can_never_be_made_does_not_use_up_the_limit(store, blob_files):
    images = [store(seed) for seed in range(4)]
    for lost in images[:2]:
        spoil(blob_files, lost.blob)
    for made in (1, 2):
        with pytest.raises(CommandError, match="2 could not be made"):
            call_command("make_views", limit=1, stdout=io.StringIO())
        assert views().count() == made


def test_a_frame_is_served_as_a_picture_and_each_opening_is_written_down(cine, author, api):
    client, address = api(author), f"/api/v1/images/{cine.pk}/frames"
    answer = client.get(f"{address}/2/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    shown = np.asarray(Picture.open(io.BytesIO(answer.getvalue())))
    assert shown.shape == (40, 60) and shown[0, 0] < 3 and shown[-1, -1] > 252
    small = client.get(f"{address}/2/", {"size": "thumbnail"})
    assert (small.status_code, small["Content-Type"]) == (200, "image/jpeg")
    events = AuditEvent.objects.filter(action="scan.open").order_by("pk").values_list("details", flat=True)
    assert list(events) == [{"kind": "rendition", "frame": 2}], "a thumbnail is no opening"
    for wrong in ("0", "4", "999999999999999999"):
        refused = client.get(f"{address}/{wrong}/")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (404, "does_not_exist")
    assert client.get(f"{address}/2/", {"size": "huge"}).status_code == 400


def test_the_view_is_served_without_loss_with_what_its_pixels_stand_for(project, author, api):
    stored = (FRAMES[0].astype(np.int16) - 300) * 3
    tags = {"RescaleSlope": "2", "RescaleIntercept": "-1000", "WindowCenter": "40", "WindowWidth": "401"}
    image = take(author, project, dicom(stored, **tags))
    client, address = api(author), f"/api/v1/images/{image.pk}/view/"
    answer = client.get(address, HTTP_ACCEPT="image/png")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    pixels = np.asarray(Picture.open(io.BytesIO(answer.content)))
    assert pixels.dtype == np.uint16
    values = pixels * float(answer["Pixel-Slope"]) + float(answer["Pixel-Intercept"])
    assert np.array_equal(values, stored * 2.0 - 1000)
    assert answer["Pixel-Window"] == "-160.5, 239.5" and "Pixel-Note" not in answer
    assert AuditEvent.objects.get(action="scan.open").details == {"kind": "learning"}
    again = client.get(address, HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (again.status_code, again.content, again["Pixel-Slope"]) == (304, b"", "2.0")
    assert client.get(address, {"frame": 2}).status_code == 404


def test_no_view_is_in_the_clear(store, blob_files):
    image = store(1)
    learning.view(image)
    data = blobs.read(views(image).get().blob)
    window = data[len(data) // 2 :][:64]
    assert len(window) == 64
    assert not any(window in path.read_bytes() for path in blob_files())
