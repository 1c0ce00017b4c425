"""What may be done with many scans of a list at once: who may, what is asked, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from images import services
from images.models import Image, Project
from images.picking import Picked, chosen_scans
from images.services.many import MOST_AT_ONCE, Done
from labeling.reading import many_forms
from labeling.reading.bulk import label_many
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User

# Hidden fields of one form; above it the scans go by their list.
MOST_FIELDS: Final = 500


@dataclass(frozen=True)
class Act:
    """`form` asks what is still open. `do` is None where another page does it, whose address is named `address`."""

    title: Any
    right: str
    form: Callable[..., forms.Form] | None = None
    do: Callable[..., list[Done]] | None = None
    address: str = ""


ACTS: Final = {
    "label": Act(_("Label"), "label_image", many_forms.LabelManyForm, label_many),
    "split": Act(_("Set the split"), "upload_image", many_forms.SplitManyForm, services.update_many),
    "training": Act(_("Use for training"), "upload_image", many_forms.TrainingManyForm, services.update_many),
    "tags": Act(_("Tag"), "label_image", many_forms.TagManyForm, services.tag_scans),
    "grade": Act(_("Grade"), "grade_image", address="grade_batch_start"),
    "export": Act(_("Export"), "view_project", address="export_start"),
}


def form_of(act: Act, project: Project, data: Any = None) -> forms.Form | None:
    if act.form is None:
        return None
    return act.form(data, project=project) if act.form is many_forms.LabelManyForm else act.form(data)


def picked(*, actor: User, project: Project, asked: many_forms.ChosenForm) -> Picked:
    """The scans that the form means, with the versions they have now. Conflict `too_many_scans` for more than 1,000."""
    data = asked.cleaned_data
    if not data["everything"]:
        return Picked(data["images"].images, data["images"].versions)
    found = chosen_scans(actor, project, asked.filters()).select_related("project").order_by("pk")
    images: list[Image] = list(found[: MOST_AT_ONCE + 1])
    if len(images) > MOST_AT_ONCE:
        said = gettext("More than %(most)s scans match. Narrow the filters, or take them in parts.")
        raise Conflict(said % {"most": f"{MOST_AT_ONCE:,}"}, code="too_many_scans", attr="everything")
    if not images:
        raise Conflict(gettext("No scan matches these filters."), code="no_scans", attr="everything")
    return Picked(images)


def act_on(*, actor: User, act: Act, images: Picked, arguments: dict[str, Any]) -> list[Done]:
    """Label with the versions that were seen; the rest changes what it is told to, whatever else has changed."""
    if act.do is None:
        raise Conflict(gettext("This is done on a page of its own."), code="invalid")
    versions = {"versions": images.versions} if act.do is label_many else {}
    return act.do(actor=actor, images=images.images, expected_count=len(images.images), **versions, **arguments)


def done_sentence(results: list[Done]) -> str:
    number = sum(result.ok for result in results)
    return ngettext("Done: %(number)s scan.", "Done: %(number)s scans.", number) % {"number": f"{number:,}"}
