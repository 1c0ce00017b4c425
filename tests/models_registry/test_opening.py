"""Whatever is opened for a person is written down, or not opened: no stream outlives a refused audit event."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.exports.services import open_export
from labeling.models import Export
from mediscan_site.core import audit
from mediscan_site.core.storage import blobs
from models_registry.grades import heatmaps, waiting


@pytest.fixture
def opened(monkeypatch):
    """The streams that were opened while no audit event could be written."""
    streams, open_blob = [], blobs.open_blob

    def follow(blob):
        streams.append(open_blob(blob))
        return streams[-1]

    def refuse(*args, **kwargs):
        raise RuntimeError("no room for an event")

    monkeypatch.setattr(blobs, "open_blob", follow)
    monkeypatch.setattr(audit, "record", refuse)
    return streams


def test_a_heat_map_is_closed_when_it_cannot_be_audited(answered, author, request):
    grade = answered(seed=1)
    heatmaps.draw(grade)
    streams = request.getfixturevalue("opened")
    with pytest.raises(RuntimeError, match="no room"):
        waiting.heatmap(actor=author, grade=grade)
    assert streams
    assert all(stream.closed for stream in streams)


def test_an_export_is_closed_when_it_cannot_be_audited(project, author, request):
    blob = blobs.write(b"zip", namespace=blobs.namespace(project.pk), content_type="application/zip")
    blob.save(force_insert=True)
    kept = {"status": "succeeded", "blob": blob, "expires_at": timezone.now() + timedelta(days=1)}
    export = Export.objects.create(project=project, created_by=author, **kept)
    streams = request.getfixturevalue("opened")
    with pytest.raises(RuntimeError, match="no room"):
        open_export(actor=author, export=export)
    assert [stream.closed for stream in streams] == [True]
