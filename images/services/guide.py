"""The labelling guide of a project: its text and its examples, written by who may manage the project."""

from django.db import IntegrityError, transaction
from django.db.models import F, Max

from images.models import GuideExample, Image, Project, ProjectClass
from images.policies import require, visible_scans
from images.services.erasure import on_erase
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid, Stale
from mediscan_site.core.models import Blob, User

MAX_CAPTION = 300
# A guide that nobody can look through helps nobody.
MOST_EXAMPLES = 100


def write_guide(*, actor: User, project: Project, words: str, expected_version: int | None = None) -> Project:
    """Replace the text. Stale when the project is no longer at `expected_version`."""
    require(actor, "manage_project", project)
    guide = text.paragraphs(words, attr="text")
    with transaction.atomic():
        rows = Project.objects.filter(pk=project.pk)
        if expected_version is not None:
            rows = rows.filter(version=expected_version)
        if not rows.update(version=F("version") + 1, guide=guide):
            raise Stale("The project was changed meanwhile. Load it again and repeat your change.")
        audit.record("guide.write", actor=actor, obj=project, project=project.pk, details={"length": len(guide)})
    return Project.objects.get(pk=project.pk)


def add_example(
    *, actor: User, project: Project, image: Image, label_class: ProjectClass, caption: str = ""
) -> GuideExample:
    """One of the project's own scans shows what a class looks like. Conflict when it is an example of the class already."""
    require(actor, "manage_project", project)
    if not visible_scans(actor).filter(pk=image.pk, project=project, hold="").exists():
        raise Invalid("This is not a scan of the project, or it is held back.", attr="image", code="does_not_exist")
    if label_class.project_id != project.pk or label_class.retired_at is not None:
        raise Invalid("Choose one of the project's classes.", attr="label", code="does_not_exist")
    said = text.line(caption, attr="caption", max_length=MAX_CAPTION)
    shown = GuideExample.objects.filter(project=project)
    if shown.count() >= MOST_EXAMPLES:
        raise Conflict(f"A guide has at most {MOST_EXAMPLES} examples. Remove one first.", code="too_many_examples")
    last = shown.filter(label_class=label_class).aggregate(last=Max("position"))["last"]
    place = {"label_class": label_class, "position": 0 if last is None else last + 1}
    try:
        with transaction.atomic():
            example = GuideExample.objects.create(project=project, image=image, caption=said, added_by=actor, **place)
            _record("guide.example", actor, example)
    except IntegrityError as error:
        raise Conflict(f"{image.code} is an example of {label_class} already.", code="unique", attr="image") from error
    return example


def remove_example(*, actor: User, example: GuideExample) -> None:
    """The scan is no example any longer; it stays what it is."""
    require(actor, "manage_project", example.project)
    with transaction.atomic():
        _record("guide.remove", actor, example)
        example.delete()


def _record(action: str, actor: User, example: GuideExample) -> None:
    details = {"class": example.label_class_id}
    audit.record(action, actor=actor, obj=example.image, project=example.project_id, details=details)


@on_erase
def forget_examples(image: Image) -> list[Blob]:
    GuideExample.objects.filter(image=image).delete()
    return []
