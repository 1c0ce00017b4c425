"""Changes that touch a scan and its label at once. Each part asks its own app's service, which authorises it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from images.models import Image, LabelStatus
from images.services import update_scan
from labeling.reading.labels import label_scan, parse_class, withdraw_label
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User


def set_scan(
    *,
    actor: User,
    image: Image,
    changes: Mapping[str, Any],
    label_status: str | None = None,
    label: str | None = None,
    expected_version: int | None = None,
) -> None:
    """Change what is known of a scan, and its label, together or not at all.

    `label_status` unlabeled withdraws the label; labeled needs a label, given here or already there (else Invalid)."""
    if label_status == LabelStatus.UNLABELED and label:
        raise Invalid("A scan with a label is not unlabeled. Send one of the two.", attr="label_status")
    if label_status == LabelStatus.LABELED and not label and image.label_status == LabelStatus.UNLABELED:
        raise Invalid("To set a scan labeled, name its label too.", attr="label", code="required")
    with transaction.atomic():
        if changes:
            image = update_scan(actor=actor, image=image, changes=dict(changes), expected_version=expected_version)
            # The version named by the caller was checked; from here on the version is our own.
            expected_version = None
        if label_status == LabelStatus.UNLABELED:
            withdraw_label(actor=actor, image=image, expected_version=expected_version)
        if label:
            chosen = parse_class(image.project, label)
            label_scan(actor=actor, image=image, label_class=chosen, expected_version=expected_version)
