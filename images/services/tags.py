"""Tags: short free words on scans, for finding them again. They say nothing about a class and train nothing."""

from collections.abc import Sequence
from typing import Final

from django.db import IntegrityError, transaction

from images import policies
from images.models import Image, ImageTag, Project, Tag
from images.services.erasure import on_erase
from images.services.many import Done, require_many
from mediscan_site.core import audit, text
from mediscan_site.core.database import insert_all
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import Blob, User
from mediscan_site.core.names import name_key

LONGEST: Final = 40
MOST_IN_A_PROJECT: Final = 500
MOST_ON_A_SCAN: Final = 20
MOST_IN_A_CALL: Final = 10


def tag_scans(
    *,
    actor: User,
    images: Sequence[Image],
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    expected_count: int | None = None,
) -> list[Done]:
    """Put these tags on the scans (of one project), and take those off. A new word becomes a tag of the project; one that a scan
    has already, or has not, changes nothing."""
    scans = require_many(actor, images, "label_image", expected_count)
    project = scans[0].project
    if any(image.project_id != project.pk for image in scans):
        raise Invalid("Tags belong to a project: send scans of one project.", attr="images")
    wanted, unwanted = parse_names(add, attr="add"), parse_names(remove, attr="remove")
    if not wanted and not unwanted:
        raise Invalid("Say which tags to add or to remove.", attr="add", code="required")
    with transaction.atomic():
        old = Tag.objects.filter(project=project, name_key__in=map(name_key, unwanted))
        new = [_tag(project, name) for name in wanted]
        full = _full(scans, new)
        _change(actor, project, [image for image in scans if image.pk not in full], new, list(old))
    return [_result(image, refused=image.pk in full) for image in scans]


def _result(image: Image, *, refused: bool) -> Done:
    if not refused:
        return Done(image, ok=True, version=image.version)
    detail = f"{image.code} would have more than {MOST_ON_A_SCAN} tags."
    return Done(image, ok=False, version=image.version, code="too_many_tags", detail=detail)


def parse_names(names: Sequence[str], *, attr: str) -> list[str]:
    """The words as they are kept: each once. Invalid for one that is too long or has a comma, which divides them in lists."""
    found: dict[str, str] = {}
    for name in names:
        said = text.line(name, attr=attr, max_length=LONGEST, required=True)
        if "," in said:
            raise Invalid("A tag has no comma: it divides one from the next.", attr=attr)
        found.setdefault(name_key(said), said)
    if len(found) > MOST_IN_A_CALL:
        raise Invalid(f"Name at most {MOST_IN_A_CALL} tags at once.", attr=attr, code="max_length")
    return list(found.values())


def _tag(project: Project, name: str) -> Tag:
    tags = Tag.objects.filter(project=project)
    found = tags.filter(name_key=name_key(name)).first()
    if found is not None:
        return found
    if tags.count() >= MOST_IN_A_PROJECT:
        raise Conflict(
            f"The project has {MOST_IN_A_PROJECT} tags already. Delete or merge some first.", code="too_many_tags"
        )
    try:
        with transaction.atomic():
            return Tag.objects.create(project=project, name=name, name_key=name_key(name))
    except IntegrityError:
        return tags.get(name_key=name_key(name))


def _full(images: Sequence[Image], new: Sequence[Tag]) -> set[int]:
    """Scans that would have too many."""
    held: dict[int, set[int]] = {image.pk: {tag.pk for tag in new} for image in images}
    if not new:
        return set()
    for image, tag in ImageTag.objects.filter(image__in=list(held)).values_list("image", "tag"):
        held[image].add(tag)
    return {image for image, tags in held.items() if len(tags) > MOST_ON_A_SCAN}


def _change(actor: User, project: Project, images: Sequence[Image], new: Sequence[Tag], old: Sequence[Tag]) -> None:
    """The trail has the tags by number: a word may be about a patient, and goes with the scan when that is erased."""
    keys = [image.pk for image in images]
    there = set(ImageTag.objects.filter(image__in=keys, tag__in=[*new, *old]).values_list("image", "tag"))
    added = {pk: [tag.pk for tag in new if (pk, tag.pk) not in there] for pk in keys}
    gone = {pk: [tag.pk for tag in old if (pk, tag.pk) in there] for pk in keys}
    rows = [ImageTag(image_id=pk, tag_id=tag, tagged_by=actor) for pk, tags in added.items() for tag in tags]
    insert_all(rows, ignore_conflicts=True)
    if old:
        ImageTag.objects.filter(image__in=keys, tag__in=old).delete()
    about = [(image, {"added": added[image.pk], "removed": gone[image.pk]}) for image in images]
    changed = [(image, said) for image, said in about if said["added"] or said["removed"]]
    if changed:
        audit.record_many("scan.tag", actor=actor, project=project.pk, about=changed)


def rename_tag(*, actor: User, tag: Tag, name: str) -> Tag:
    """Another word for it. One that is a tag already takes over its scans: the two become one."""
    policies.require(actor, "manage_project", tag.project)
    (said,) = parse_names([name], attr="name")
    with transaction.atomic():
        other = Tag.objects.filter(project=tag.project_id, name_key=name_key(said)).exclude(pk=tag.pk).first()
        details = {"tag": tag.pk, "into": other.pk if other else None}
        audit.record("tag.rename", actor=actor, obj=tag.project, project=tag.project_id, details=details)
        if other is None:
            Tag.objects.filter(pk=tag.pk).update(name=said, name_key=name_key(said))
            tag.name = said
            return tag
        has_both = ImageTag.objects.filter(tag=other).values_list("image", flat=True)
        ImageTag.objects.filter(tag=tag).exclude(image__in=list(has_both)).update(tag=other)
        tag.delete()
        return other


def delete_tag(*, actor: User, tag: Tag) -> None:
    """Take the tag from all its scans; the scans stay."""
    policies.require(actor, "manage_project", tag.project)
    with transaction.atomic():
        audit.record("tag.delete", actor=actor, obj=tag.project, project=tag.project_id, details={"tag": tag.pk})
        tag.delete()


@on_erase
def forget_tags(image: Image) -> list[Blob]:
    """With the scan goes a word that is on no other one: it may be about this patient."""
    tags = list(ImageTag.objects.filter(image=image).values_list("tag", flat=True))
    ImageTag.objects.filter(image=image).delete()
    Tag.objects.filter(pk__in=tags, image_tags__isnull=True).delete()
    return []
