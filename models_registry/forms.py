"""What the pages of models and grades take. Parsing only: the rules are in the services."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from images.decoding.formats import LISTED
from images.models import SCAN_PREFIX, Project, ProjectClass, Split
from images.policies import visible_projects, visible_scans
from labeling.models import Snapshot
from labeling.policies import visible_snapshots
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.inputs import DayInput
from mediscan_site.core.models import User
from mediscan_site.core.words import in_words
from models_registry.models import Grade, ModelVersion

NONE = "none"


class DeployForm(forms.Form):
    """Whether to deploy. Where the gate refuses (`refused`), a reason and a tick are asked for, and have to be given."""

    override_reason = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label=_("Your reason"),
        help_text=_(
            "Why it should answer although the gate refuses it. It is kept with the deployment, with your name."
        ),
    )
    understood = forms.BooleanField(required=False, label=_("I have read why the gate refuses it."))

    def __init__(self, *args: Any, refused: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = refused
        self.fields["override_reason"].error_messages["required"] = _(
            "say why it should answer although the gate refuses it."
        )
        self.fields["understood"].error_messages["required"] = _("tick it first.")


class EvaluateForm(forms.Form):
    snapshot = forms.ModelChoiceField(
        queryset=Snapshot.objects.none(), required=False, label=_("Data set"), empty_label=_("the model's own")
    )

    def __init__(self, *args: Any, user: User, model: ModelVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = visible_snapshots(user).filter(project=model.project_id).exclude(pk=model.snapshot_id)
        self.fields["snapshot"].queryset = rows.order_by("-pk")  # type: ignore[attr-defined]


class GradeForm(forms.Form):
    """A new file, or a scan that is here already."""

    file = forms.FileField(required=False, label=_("A new scan"), help_text=LISTED)
    patient = forms.CharField(
        required=False, max_length=200, label=_("Patient"), help_text=_("Of a new scan; stored as a keyed pseudonym.")
    )
    image = forms.CharField(
        required=False, max_length=24, label=_("Or a scan that is here"), help_text=_("Its code, such as img000012.")
    )

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scans = visible_scans(user).filter(project=project)

    def clean_image(self) -> Any:
        asked = self.cleaned_data["image"].strip()
        if not asked:
            return None
        key = find_key(asked, SCAN_PREFIX)
        image = None if key is None else self._scans.filter(pk=key).first()
        if image is None:
            raise forms.ValidationError(_("There is no such scan in this project."), code="does_not_exist")
        return image

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("file")) == bool(data.get("image")):
            raise forms.ValidationError(_("Either choose a file or name a scan that is here."))
        return data


class FeedbackForm(forms.Form):
    correct = forms.TypedChoiceField(
        choices=[("yes", _("Right")), ("no", _("Wrong"))], coerce=lambda value: value == "yes", widget=forms.RadioSelect
    )
    correct_class = forms.ModelChoiceField(
        queryset=ProjectClass.objects.none(),
        required=False,
        label=_("If wrong: the right class"),
        empty_label=_("I cannot tell"),
        help_text=_("Becomes your label of the scan, for a colleague to review."),
    )
    comment = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, grade: Grade, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = ProjectClass.objects.filter(project=grade.project_id, retired_at__isnull=True)
        others = rows.exclude(pk=grade.prediction_id) if grade.prediction_id else rows
        self.fields["correct_class"].queryset = others  # type: ignore[attr-defined]


class OwnReadForm(forms.Form):
    """A class of the project; in a first read "none" for "I cannot tell"."""

    label_class = forms.CharField(max_length=20)

    def __init__(self, *args: Any, grade: Grade, may_be_none: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rows = ProjectClass.objects.filter(project=grade.project_id, retired_at__isnull=True)
        self._may_be_none = may_be_none

    def clean_label_class(self) -> ProjectClass | None:
        asked = self.cleaned_data["label_class"]
        if self._may_be_none and asked == NONE:
            return None
        found = self._rows.filter(pk=asked).first() if asked.isascii() and asked.isdigit() else None
        if found is None:
            raise forms.ValidationError(_("Choose one of the classes."))
        return found


class HistoryFilterForm(forms.Form):
    """The filter row of the history; the fields are HistoryFilter's."""

    project = forms.ModelChoiceField(
        queryset=Project.objects.none(), required=False, label=_("Project"), empty_label=_("all")
    )
    image = forms.CharField(required=False, label=_("Scan"))
    patient = forms.CharField(required=False, label=_("Patient"))
    prediction = forms.CharField(required=False, label=_("Class"))
    model = forms.CharField(required=False, label=_("Model"))
    decision = forms.ChoiceField(
        required=False,
        label=_("Result"),
        choices=[
            ("", _("any")),
            (Grade.Decision.ANSWER, _("certain")),
            (Grade.Decision.REFER, _("for a doctor to read")),
        ],
    )
    seen_in = forms.ChoiceField(
        required=False,
        label=_("In the model's data"),
        choices=[("", _("any")), ("none", _("no")), *in_words(Split.choices)],
    )
    after = forms.CharField(required=False, label=_("From"), widget=DayInput)
    before = forms.CharField(required=False, label=_("Before"), widget=DayInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].queryset = visible_projects(user).order_by("name")  # type: ignore[attr-defined]
