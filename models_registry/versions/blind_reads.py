"""Which answers are drawn for a blind read. Drawn when the grade is answered, in the same transaction, by a keyed draw: whoever
does not have the site's keys cannot know beforehand, and nobody can choose afterwards."""

import hmac
from typing import Final

from mediscan_site.core import audit
from mediscan_site.core.storage import ring
from models_registry.models import BlindRead, Grade

PURPOSE: Final = "blind reads"


def lot(grade_id: int) -> float:
    """This grade's lot, uniform in 0..1."""
    drawn = hmac.digest(ring.current().derived(PURPOSE), str(grade_id).encode(), "sha256")
    return int.from_bytes(drawn[:8], "big") / 2**64


def draw(grade: Grade, decision: str) -> None:
    """Have the grade read blind if its lot says so. Only answers: a referral is read by somebody anyway."""
    share = grade.project.blind_read_share
    if grade.blind or decision != Grade.Decision.ANSWER or lot(grade.pk) >= share:
        return
    read, made = BlindRead.objects.get_or_create(grade=grade, defaults={"project": grade.project, "share": share})
    if made:
        audit.record("blind_read.draw", actor=None, obj=read, project=grade.project_id, details={"share": share})
