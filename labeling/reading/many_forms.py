"""What the pages take that read or change many scans at once. Parsing only."""

from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from images.list_forms import TagsForm
from images.models import Project, Split
from images.picking import FILTERS, picked_field
from labeling.forms import ClassField, ProjectForm
from labeling.reading.forms import REASONS
from mediscan_site.core.models import User

WHAT: Final = ("label", "split", "training", "tags", "grade", "export")
NOTHING_CHOSEN = _("Choose at least one scan.")


class GridForm(ProjectForm):
    """Scans of a grid with the versions that were seen, and the button that was pressed."""

    label_class = ClassField()
    ungradable = forms.CharField(required=False, max_length=200)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, project=project, **kwargs)
        messages = {"required": NOTHING_CHOSEN}
        self.fields["images"] = picked_field(user, project, label=_("Scans"), error_messages=messages)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("label_class")) == bool(data.get("ungradable")):
            raise forms.ValidationError(_("Press the button of a class: nothing was decided."))
        return data

    def arguments(self) -> dict[str, Any]:
        data, picked = self.cleaned_data, self.cleaned_data["images"]
        reading = {"label_class": data["label_class"], "reason": data["ungradable"]}
        return {**reading, "images": picked.images, "versions": picked.versions}


class ReleaseForm(forms.Form):
    until = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M:%S.%f%z"])


class ChosenForm(forms.Form):
    """Ticked scans, or with `everything` all that pass the filters of the list (`query`); and what is to become of them."""

    what = forms.ChoiceField(
        choices=[(name, name) for name in WHAT], error_messages={"required": _("Press a button: nothing was done.")}
    )
    everything = forms.BooleanField(required=False)
    query = forms.CharField(required=False, max_length=4000)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["images"] = picked_field(user, project, label=_("Scans"), required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and not data.get("everything") and not data["images"].images:
            raise forms.ValidationError(NOTHING_CHOSEN)
        return data

    def filters(self) -> dict[str, str]:
        given = QueryDict(self.cleaned_data["query"].encode("utf-8", "replace"))
        return {name: str(given[name]) for name in FILTERS if given.get(name)}


class LabelManyForm(ProjectForm):
    label_class = ClassField(label=_("Class"), empty_label=_("Choose a class"))
    ungradable = forms.ChoiceField(
        required=False, label=_("Or ungradable, because"), choices=[("", "–"), *((why, why) for why in REASONS)]
    )
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}), label=_("Comment"))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("label_class")) == bool(data.get("ungradable")):
            raise forms.ValidationError(_("Choose either a class or the reason why the scans are ungradable."))
        return data

    def arguments(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {"label_class": data["label_class"], "reason": data["ungradable"], "comment": data["comment"]}


class SplitManyForm(forms.Form):
    split = forms.ChoiceField(
        required=False, label=_("Split"), choices=[("", _("decided by the data set")), *Split.choices]
    )

    def arguments(self) -> dict[str, Any]:
        return {"changes": {"split": self.cleaned_data["split"] or None}}


class TrainingManyForm(forms.Form):
    use_for_training = forms.ChoiceField(
        label=_("Once approved"), choices=[("yes", _("used for training")), ("no", _("never used for training"))]
    )

    def arguments(self) -> dict[str, Any]:
        return {"changes": {"use_for_training": self.cleaned_data["use_for_training"] == "yes"}}


class TagManyForm(TagsForm):
    def arguments(self) -> dict[str, Any]:
        return dict(self.cleaned_data)
