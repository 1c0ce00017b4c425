"""What the pages of labels, reviews and doubts take. Parsing only: the rules are in the services."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from images.models import Image, Project
from images.policies import visible_scans
from labeling.forms import ClassField, ProjectForm, VersionForm
from labeling.models import Review
from mediscan_site.core.models import User
from mediscan_site.core.words import in_words

# Why nobody can tell a class, and why a label goes back to labelling. Kept as they are here; pages show them in the reader's
# language.
REASONS = (
    gettext_noop("poor image quality"),
    gettext_noop("wrong body part"),
    gettext_noop("wrong view"),
    gettext_noop("not a scan of this kind"),
    gettext_noop("cannot tell"),
)
REJECTIONS = (
    gettext_noop("another class is right"),
    gettext_noop("a finding was missed"),
    gettext_noop("the picture does not allow this label"),
    gettext_noop("please look again"),
)


class LabelForm(VersionForm, ProjectForm):
    """A class, or a reason why the scan is ungradable."""

    label_class = ClassField(label=_("Class"), empty_label=_("Choose a class"))
    ungradable = forms.CharField(required=False, max_length=200, label=_("Or ungradable, because"))
    comment = forms.CharField(required=False, label=_("Comment"), widget=forms.Textarea(attrs={"rows": 2}))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("label_class")) == bool(data.get("ungradable")):
            raise forms.ValidationError(_("Choose either a class or the reason why the scan is ungradable."))
        return data

    def arguments(self) -> dict[str, Any]:
        data = self.cleaned_data
        reading = {"label_class": data["label_class"]} if data["label_class"] else {"reason": data["ungradable"]}
        return {**reading, "comment": data["comment"], "expected_version": data["version"]}


class ReviewForm(VersionForm, ProjectForm):
    status = forms.ChoiceField(choices=in_words(Review.Status.choices), label=_("Decision"))
    label_class = ClassField(label=_("Class"), empty_label=_("the class it has"))
    comment = forms.CharField(required=False, label=_("Comment"), widget=forms.Textarea(attrs={"rows": 2}))

    def arguments(self) -> dict[str, Any]:
        data = self.cleaned_data
        changed = data["label_class"] if data["status"] == Review.Status.MODIFIED else None
        return {
            "status": data["status"],
            "label_class": changed,
            "comment": data["comment"],
            "expected_version": data["version"],
        }


def scan_field(user: User, project: Project) -> "forms.ModelChoiceField[Image]":
    return forms.ModelChoiceField(queryset=visible_scans(user).filter(project=project).select_related("project"))


class DeskLabelForm(LabelForm):
    """The label page: which scan, and which of its buttons. `known`: the newest label when the page was made; `corrects`: the
    label to which the reader went back."""

    known = forms.IntegerField(required=False)
    corrects = forms.IntegerField(required=False)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, project=project, **kwargs)
        self.fields["image"] = scan_field(user, project)


class DeskReviewForm(ReviewForm):
    """The review page: a decision, or with `modified` the class that is right, or with `rejection` why it is rejected. Who
    rejects says why, there or in the comment."""

    status = forms.ChoiceField(choices=in_words(Review.Status.choices), label=_("Decision"), required=False)
    modified = ClassField(label=_("Another class"))
    rejection = forms.CharField(required=False, max_length=200)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, project=project, **kwargs)
        self.fields["image"] = scan_field(user, project)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("modified"):
            data |= {"status": Review.Status.MODIFIED, "label_class": data["modified"]}
        elif data.get("rejection"):
            why = [data["rejection"], data.get("comment", "")]
            data |= {"status": Review.Status.REJECTED, "comment": "\n".join(filter(None, why))}
        if not self.errors and not data.get("status"):
            raise forms.ValidationError(
                _("Approve the label, choose the class that is right, or reject it: nothing was decided.")
            )
        if data.get("status") == Review.Status.REJECTED and not data.get("comment", "").strip():
            raise forms.ValidationError(_("Say in a few words why you reject the label. Nothing was decided."))
        return data


class SkipForm(forms.Form):
    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image"] = scan_field(user, project)


class KeepForm(SkipForm, VersionForm):
    """The scan whose doubted label is right, in the version the reader saw."""

    def arguments(self) -> dict[str, Any]:
        return {"image": self.cleaned_data["image"], "expected_version": self.cleaned_data["version"]}


class ReviewManyForm(forms.Form):
    status = forms.ChoiceField(
        choices=[("approved", "approve"), ("rejected", "reject")],
        label=_("Decision"),
        error_messages={"required": "Press Approve or Reject: nothing was decided."},
    )
    comment = forms.CharField(required=False)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["images"] = forms.ModelMultipleChoiceField(
            queryset=visible_scans(user).filter(project=project).select_related("project"),
            error_messages={"required": "Tick at least one scan."},
            label=_("Scans"),
        )
