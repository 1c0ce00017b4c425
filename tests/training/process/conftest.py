import pytest
from django.utils import timezone

from mediscan_site.core.models import WorkStatus
from training.models import TrainingRun


@pytest.fixture
def running(project, admin, bare_snapshot):
    return TrainingRun.objects.create(
        project=project,
        snapshot=bare_snapshot(),
        created_by=admin,
        config={"initialisation_note": "From scratch."},
        status=WorkStatus.RUNNING,
        attempt=1,
        heartbeat_at=timezone.now(),
    )
