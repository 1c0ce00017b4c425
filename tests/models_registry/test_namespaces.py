"""All objects of a project are in one folder of the storage; what an older version put elsewhere stays readable."""

from datetime import timedelta

from django.core.files.storage import storages

from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs, orphans
from models_registry.grades import heatmaps


def test_scans_bundles_and_heat_maps_of_a_project_lie_in_its_one_folder(answered, project):
    heatmaps.draw(answered(seed=1))
    assert {blob.content_type for blob in Blob.objects.all()} >= {"image/jpeg", "application/octet-stream", "image/png"}
    assert {blob.path.split("/")[0] for blob in Blob.objects.all()} == {blobs.namespace(project.pk)}


def test_an_object_in_the_folder_of_an_older_version_is_read_erased_and_no_orphan(project):
    old = blobs.write(b"a bundle", namespace=str(project.pk), content_type="application/octet-stream")
    old.save(force_insert=True)
    assert old.path.startswith(f"{project.pk}/")
    stored = Blob.objects.get(pk=old.pk)
    assert orphans.sweep(older_than=timedelta()).unknown == 0
    assert blobs.read(stored) == b"a bundle"
    blobs.erase(stored)
    assert not storages["blobs"].exists(stored.path)
