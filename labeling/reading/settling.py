"""What becomes of a doubt about a label when the scan changes: settled for good, remembered, or put back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from images.models import Image, ProjectClass
from labeling.models import KeptLabel, LabelDoubt, LastDoubts
from mediscan_site.core import audit
from mediscan_site.core.models import User

# All but its scan and project.
COLUMNS: Final = ("given_id", "suggested_id", "given_probability", "suggested_probability", "source")


def settle_doubt(image: Image, actor: User) -> None:
    """The label of this scan is being approved: the doubt about it, if there is one, is not to be raised again."""
    doubt = LabelDoubt.objects.filter(image=image, given=image.label_class_id).first()
    if doubt is None:
        return
    about = {"given_id": doubt.given_id, "suggested_id": doubt.suggested_id}
    KeptLabel.objects.get_or_create(image=image, **about, defaults={"reviewer": actor})
    details = {"given": doubt.given_id, "suggested": doubt.suggested_id, "source": doubt.source}
    audit.record("doubt.keep", actor=actor, obj=image, project=image.project_id, details=details)


def as_kept(doubt: LabelDoubt | None) -> dict[str, Any] | None:
    """What `put_back` needs to know of it."""
    if doubt is None:
        return None
    return {name: getattr(doubt, name) for name in COLUMNS} | {"created_at": doubt.created_at.isoformat()}


def put_back(image: Image, kept: Mapping[str, Any] | None) -> None:
    """The doubt that was about this label stands again, unless a later training has said anew which labels are in doubt."""
    if kept is None or kept["given_id"] != image.label_class_id:
        return
    # Held until this transaction ends: a training that replaces the doubts at this moment waits, and removes this one as well.
    last = LastDoubts.objects.select_for_update().filter(project=image.project_id).first()
    if last is not None and last.at != datetime.fromisoformat(kept["created_at"]):
        return
    if ProjectClass.objects.filter(pk=kept["suggested_id"]).exists():
        LabelDoubt.objects.get_or_create(image=image, defaults=dict(kept))
