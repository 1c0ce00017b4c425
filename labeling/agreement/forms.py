"""What the pages of adjudication and of gold scans take. Parsing only."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from images.models import Project
from labeling.forms import ClassField, ProjectForm, VersionForm
from labeling.reading.forms import scan_field
from mediscan_site.core.models import User


class AdjudicateForm(VersionForm, ProjectForm):
    """A class, or why nobody can tell; and the reason."""

    label_class = ClassField(label=_("Class"), empty_label=_("Choose a class"))
    ungradable = forms.CharField(required=False, max_length=200, label=_("Or ungradable, because"))
    reason = forms.CharField(
        label=_("Reason"), error_messages={"required": _("Say why: readers learn from it. Nothing was saved.")}
    )

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, project=project, **kwargs)
        self.fields["image"] = scan_field(user, project)

    def arguments(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "image": data["image"],
            "label_class": data["label_class"],
            "ungradable": data["ungradable"],
            "reason": data["reason"],
            "expected_version": data["version"],
        }


class GoldForm(forms.Form):
    """Scans by code, with a space or a comma between them."""

    scans = forms.CharField(label=_("Scans"), max_length=4000, help_text=_("Codes or numbers, with spaces between."))


class GoldEndForm(forms.Form):
    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image"] = scan_field(user, project)
