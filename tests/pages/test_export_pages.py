"""The pages of exports and of erasing a patient."""

import io
import zipfile

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from images.models import Image
from labeling.exports import worker
from labeling.exports.services import start_export
from labeling.models import Export

pytestmark = pytest.mark.django_db


def page_of(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text(response) -> str:
    return str(response.content.decode())


def test_from_a_filtered_list_to_the_zip(make_scan, author, project):
    wanted = make_scan(seed=1, label="NORMAL")
    make_scan(seed=2, label="OPACITY")
    client = page_of(author)
    listed = client.get(reverse("scan_list", args=[project.pk]), {"label": "NORMAL"})
    link = f"{reverse('export_list', args=[project.pk])}?label=NORMAL"
    assert link in text(listed)
    form = text(client.get(link))
    assert "Nothing has been exported yet" in form
    assert '<input type="hidden" name="label" value="NORMAL">' in form
    asked = {"label": "NORMAL", "scans_as": "originals", "dataset": ""}
    started = client.post(reverse("export_start", args=[project.pk]), asked)
    export = Export.objects.get()
    assert started["Location"] == reverse("export", args=[export.pk])
    waiting = text(client.get(started["Location"]))
    assert 'hx-trigger="every 2s"' in waiting
    assert "Cancel" in waiting
    worker.run(export.pk)
    ready = text(client.get(started["Location"], HTTP_HX_REQUEST="true"))
    assert "<html" not in ready
    assert "every 2s" not in ready
    link = reverse("export-file", args=[export.pk])
    assert link in ready
    data = b"".join(client.get(link).streaming_content)  # type: ignore[attr-defined]
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert [name for name in names if name.endswith(".jpg")] == [f"export{export.pk:03d}/NORMAL/{wanted.code}.jpg"]
    assert link in text(client.get(reverse("export_list", args=[project.pk])))


def test_a_data_set_is_exported_by_a_button(make_snapshot, author, project):
    snapshot = make_snapshot(4)
    client = page_of(author)
    assert reverse("export_start", args=[project.pk]) in text(client.get(reverse("dataset", args=[snapshot.pk])))
    client.post(reverse("export_start", args=[project.pk]), {"dataset": snapshot.pk, "scans_as": "originals"})
    assert Export.objects.get().snapshot == snapshot


def test_what_is_refused_is_said_on_the_page(make_scan, author, colleague, project):
    make_scan(seed=1)
    client = page_of(author)
    url = reverse("export_start", args=[project.pk])
    nothing = client.post(url, {"label": "OPACITY", "scans_as": "originals"}, follow=True)
    assert "nothing to export" in text(nothing)
    assert "valid choice" in text(client.post(url, {"dataset": "999999", "scans_as": "originals"}, follow=True))
    export = start_export(actor=author, project=project)
    assert "Cancel" not in text(page_of(colleague).get(reverse("export", args=[export.pk])))
    discarded = client.post(reverse("export_discard", args=[export.pk]), follow=True)
    assert "Cancelled; what had been made" in text(discarded)
    Export.objects.update(status="succeeded", expires_at=timezone.now())
    assert "Its days are over" in text(client.get(reverse("export", args=[export.pk])))


def test_words_of_a_filter_are_escaped(make_scan, author, project):
    nasty = '"><script>alert(1)</script>'
    shown = text(page_of(author).get(reverse("export_list", args=[project.pk]), {"search": nasty}))
    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown


def test_an_admin_erases_a_patient_from_a_page(make_scan, admin, project):
    image = make_scan(seed=1, patient="MRN 1")
    client = page_of(admin)
    url = reverse("erase_patient", args=[project.pk])
    assert f"{url}?pseudonym={image.patient}" in text(client.get(reverse("scan", args=[image.pk])))
    form = client.get(url, {"pseudonym": image.patient})
    assert f'value="{image.patient}"' in text(form)
    wrong = client.post(url, {"patient": "MRN 2", "reason": "asked for it"})
    assert (wrong.status_code, "no scan of this patient" in text(wrong)) == (400, True)
    done = client.post(url, {"patient": image.patient, "reason": "asked for it"}, follow=True)
    assert "1 scan of this patient is erased" in text(done)
    assert not Image.objects.filter(erased_at__isnull=True).exists()
