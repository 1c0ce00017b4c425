"""Many scans at once: one refusal does not stop the others, and each scan's result is named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from images import policies
from images.models import Image
from images.policies import visible_scans
from images.services.edit import update_scan
from mediscan_site.core.errors import Conflict, DomainError, Invalid
from mediscan_site.core.models import User

MOST_AT_ONCE: Final = 1000
# What may be said of many scans in one call; all else is a fact about one.
CHANGEABLE: Final = ("split", "use_for_training")


@dataclass(frozen=True)
class Done:
    """What became of one scan of many, and the version it has now. `code` and `detail` are empty when it went well."""

    image: Image
    ok: bool
    version: int
    code: str = ""
    detail: str = ""


def each(images: Sequence[Image], change: Callable[[Image], Image]) -> list[Done]:
    """`change` on each scan; what it refuses becomes the scan's result."""
    return [_one(image, change) for image in images]


def _one(image: Image, change: Callable[[Image], Image]) -> Done:
    try:
        changed = change(image)
    except DomainError as error:
        return Done(image, ok=False, version=image.version, code=error.code, detail=error.detail)
    return Done(changed, ok=True, version=changed.version)


def require_many(actor: User, images: Sequence[Image], right: str, expected_count: int | None = None) -> list[Image]:
    """Each of the scans once, all of them visible to the actor, who has the right in each of their projects.

    Raises Conflict `count_mismatch` when there are not `expected_count`: then nothing is done."""
    scans = list({image.pk: image for image in images}.values())
    if not 0 < len(scans) <= MOST_AT_ONCE:
        raise Invalid(f"Send 1 to {MOST_AT_ONCE} scans.", attr="images")
    for project in {image.project for image in scans}:
        policies.require(actor, right, project)
    if visible_scans(actor).filter(pk__in=[scan.pk for scan in scans]).count() != len(scans):
        raise Invalid("One of these scans does not exist.", attr="images", code="does_not_exist")
    if expected_count is not None and expected_count != len(scans):
        raise Conflict(
            f"{len(scans)} scans are selected, not {expected_count}. Look again, then send the right number.",
            code="count_mismatch",
            attr="expected_count",
        )
    return scans


def update_many(
    *, actor: User, images: Sequence[Image], changes: Mapping[str, Any], expected_count: int | None = None
) -> list[Done]:
    """`split` or `use_for_training` of at most 1,000 scans, each by the rules of `update_scan`."""
    scans = require_many(actor, images, "upload_image", expected_count)
    said = {name: changes[name] for name in CHANGEABLE if name in changes}
    if not said:
        raise Invalid(f"Say what to change: {', '.join(CHANGEABLE)}.", attr="changes", code="required")
    return each(scans, lambda image: update_scan(actor=actor, image=image, changes=dict(said)))
