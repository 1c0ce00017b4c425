"""What holds after every test of reading."""

import pytest

from images.models import Image
from labeling.reading.said_by import wrong


@pytest.fixture(autouse=True)
def _queues_leave_nothing_out(request):
    """Whatever a test did, each scan knows who has spoken of it: else queues would leave it out, or hand it to the same again."""
    if "project" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("project")
    yield
    assert wrong(list(Image.objects.filter(erased_at=None).select_related("reference__label"))) == {}
