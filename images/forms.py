"""What the pages of projects and scans take. Parsing only: the rules are in the services."""

from typing import Any, Final, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from images.form_sections import Section, sections
from images.models import MOST_FRAMES, ApprovalStatus, Hold, LabelStatus, Project, ProjectClass, Split, Tag
from images.policies import GRANTED_PERMISSIONS, MEMBER_PERMISSIONS, VIEW, candidates
from images.project_options import IN_THE_FORM
from images.roles import CHOICES, USUAL
from mediscan_site.core.models import User
from mediscan_site.core.words import in_words, said

# In one form; more are no ticks of a person.
_MOST_SENT: Final = 500


class FramesForm(forms.Form):
    """Ticked frames of a scan. Which it has is judged by `images.frames.parse`."""

    frames = forms.Field(required=False, widget=forms.MultipleHiddenInput)
    version = forms.IntegerField(required=False)

    def clean_frames(self) -> list[int]:
        given = [str(value) for value in self.cleaned_data["frames"] or ()]
        if len(given) > _MOST_SENT:
            raise forms.ValidationError(_("Choose at most %(most)d frames of a scan.") % {"most": MOST_FRAMES})
        if not all(value.isascii() and value.isdigit() and len(value) < 10 for value in given):
            raise forms.ValidationError(_("Frames are whole numbers, from 1."))
        return [int(value) for value in given]


ANY = ("", _("any"))
RIGHTS = {
    "upload_image": _("upload"),
    "label_image": _("label"),
    "review_label": _("review"),
    "grade_image": _("grade"),
    "train_model": _("train"),
    "deploy_model": _("deploy"),
    "manage_project": _("manage"),
    "view_audit": _("audit"),
    "reidentify": _("re-identify"),
}
HOLDS = [("held", _("held")), *in_words(Hold.choices), ("none", _("not held"))]
SHARES_HELP = _(
    "0.1: one scan of ten. Give every class, together 1, or none where it is not known. "
    "The confidences of the next model that is trained are corrected to it."
)
CHANGEABLE_RIGHTS = [name for name in (*MEMBER_PERMISSIONS, *GRANTED_PERMISSIONS) if name != VIEW]

# Options that came later than the form: whoever sends it without them changes nothing.
MAY_BE_LEFT_OUT = (
    "conformal_target", "unaccepted_site", "on_alarm", "blind_read_share", "frames_seen", "picture_shape",
    "reads_wanted", "repeats_share",
)  # fmt: skip


# Ticks that came later than the form. A tick that is not set is not sent: the form names in `flags` those that it shows.
FLAGS: Final = ("orientation_matters", "read_blind", "reveal_after_read")


class ProjectSettingsForm(forms.ModelForm[Project]):
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    flags = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Project
        fields = ("name", *(option.name for option in IN_THE_FORM))
        labels = {option.name: said(option.title) for option in IN_THE_FORM}
        help_texts = {option.name: said(str(option.help)) for option in IN_THE_FORM if option.help}
        widgets = {
            option.name: forms.Textarea(attrs={"rows": 2}) for option in IN_THE_FORM if option.kind == "statement"
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in MAY_BE_LEFT_OUT:
            self.fields[name].required = False
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                field.choices = in_words(cast(Any, field.choices))
        self.initial["flags"] = " ".join(FLAGS)
        self._share_fields: dict[str, str] = {}
        if self.instance.pk:
            self._ask_for_shares()

    def _ask_for_shares(self) -> None:
        rows = ProjectClass.objects.filter(project=self.instance, retired_at__isnull=True)
        for row in rows:
            name = f"share_{row.pk}"
            self._share_fields[name] = str(row.pk)
            self.fields[name] = forms.FloatField(
                required=False,
                label=_("Expected share of %(name)s among the scans to be graded") % {"name": row.name},
                initial=self.instance.expected_prevalence.get(str(row.pk)),
                widget=forms.NumberInput(attrs={"step": "any", "min": 0, "max": 1}),
            )
        if self._share_fields:
            self.fields[name].help_text = SHARES_HELP
            self.aliases = {"expected_prevalence": name}

    def clean(self) -> dict[str, Any]:
        """What was left out stays as it is."""
        data = super().clean() or self.cleaned_data
        kept = {name: getattr(self.instance, name) for name in MAY_BE_LEFT_OUT if data.get(name) in (None, "")}
        shown = str(data.pop("flags", "")).split()
        kept |= {name: getattr(self.instance, name) for name in FLAGS if name not in shown}
        return {**data, **kept}

    def sections(self) -> list[Section]:
        return list(sections(self))

    def validate_unique(self) -> None:
        """The service refuses a name that is taken, with its own words."""

    def changes(self) -> dict[str, Any]:
        """Shares that were left out are taken back."""
        sent = {name: value for name, value in self.cleaned_data.items() if name != "version"}
        shares = {key: sent.pop(name) for name, key in self._share_fields.items()}
        if self.instance.pk:
            sent["expected_prevalence"] = {key: share for key, share in shares.items() if share is not None}
        return sent


class ProjectForm(ProjectSettingsForm):
    version = None  # type: ignore[assignment]
    classes = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "NORMAL\nOPACITY"}),
        label=_("Classes"),
        help_text=_("One class per line, at least two. They can be renamed or retired later without losing a label."),
    )
    field_order = ["name", "modality", "classes"]

    def rest(self) -> list[Section]:
        """All but what is asked for first."""
        return [part for part in (section.without(self.field_order) for section in sections(self)) if part.fields]

    def clean_classes(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["classes"].splitlines() if line.strip()]


class ClassForm(forms.Form):
    name = forms.CharField(label=_("Class name"), max_length=120)


class MemberForm(forms.Form):
    user = forms.ModelChoiceField(queryset=User.objects.none(), label=_("Account"), empty_label=_("Choose an account"))
    role = forms.ChoiceField(required=False, label=_("Role"), choices=CHOICES, initial=USUAL)

    def __init__(self, *args: Any, actor: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].queryset = candidates(actor, project).order_by("username")  # type: ignore[attr-defined]


class MemberChoiceForm(forms.Form):
    """One member of the project, who is named in a hidden field."""

    user = forms.ModelChoiceField(queryset=User.objects.none(), label=_("Member"))

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].queryset = User.objects.filter(memberships__project=project)  # type: ignore[attr-defined]


class RoleForm(MemberChoiceForm):
    """All rights of a member at once."""

    role = forms.ChoiceField(choices=CHOICES)


class RightForm(MemberChoiceForm):
    codename = forms.ChoiceField(choices=[(name, RIGHTS[name]) for name in CHANGEABLE_RIGHTS])
    give = forms.TypedChoiceField(choices=[("yes", "yes"), ("no", "no")], coerce=lambda value: value == "yes")


class ReidentifyForm(forms.Form):
    pseudonym = forms.CharField(max_length=64, label=_("Pseudonym"), help_text=_("As the scan's page shows it."))
    reason = forms.CharField(
        max_length=500,
        label=_("Reason"),
        help_text=_("Kept in the audit log with your name. Do not write the patient's name or number."),
    )


class MergePatientsForm(forms.Form):
    source = forms.CharField(
        max_length=200, label=_("This patient"), help_text=_("The patient id as it came in, or the pseudonym.")
    )
    target = forms.CharField(
        max_length=200, label=_("is the same person as"), help_text=_("All scans are kept under this one from now on.")
    )


class ErasePatientForm(forms.Form):
    patient = forms.CharField(
        max_length=200, label=_("Patient"), help_text=_("The patient id as it came in, or the pseudonym.")
    )
    reason = forms.CharField(
        max_length=500,
        label=_("Reason"),
        help_text=_("Kept in the audit log with your name. Do not write the patient's name or number."),
    )


class ScanFilterForm(forms.Form):
    """The filter row over the scan list; the fields are ScanFilter's."""

    search = forms.CharField(required=False, label=_("Name or code"))
    label_status = forms.ChoiceField(required=False, label=_("Label"), choices=[ANY, *in_words(LabelStatus.choices)])
    label = forms.ChoiceField(required=False, label=_("Class"))
    approval_status = forms.ChoiceField(
        required=False, label=_("Approval"), choices=[ANY, *in_words(ApprovalStatus.choices)]
    )
    split = forms.ChoiceField(
        required=False, label=_("Split"), choices=[ANY, *in_words(Split.choices), ("none", _("none"))]
    )
    patient = forms.CharField(required=False, label=_("Patient"))
    study = forms.CharField(required=False, label=_("Study"))
    hold = forms.ChoiceField(required=False, label=_("Held back"), choices=[ANY, *HOLDS])
    tag = forms.ChoiceField(required=False, label=_("Tag"))
    ordering = forms.ChoiceField(
        required=False,
        label=_("Order"),
        choices=[
            ("", _("newest first")),
            ("upload_date", _("oldest first")),
            ("-updated_at", _("last changed")),
            ("instance_number", _("by place in the study")),
        ],
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        classes = ProjectClass.objects.filter(project=project)
        choices = [ANY, *((row.name, row.name) for row in classes), ("ungradable", _("ungradable"))]
        self.fields["label"].choices = choices  # type: ignore[attr-defined]
        tags = Tag.objects.filter(project=project).order_by("name_key").values_list("pk", "name")
        self.fields["tag"].choices = [ANY, *((str(pk), name) for pk, name in tags)]  # type: ignore[attr-defined]


class GuideForm(forms.Form):
    """The text of a project's guide, and the version of the project that its writer saw."""

    text = forms.CharField(
        required=False, max_length=10_000, label=_("What readers go by"), widget=forms.Textarea(attrs={"rows": 14})
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)


class ExampleForm(forms.Form):
    """Of which class a scan is an example."""

    label_class = forms.ModelChoiceField(queryset=ProjectClass.objects.none(), label=_("Class"))
    caption = forms.CharField(required=False, max_length=300, label=_("What to look at"))

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        classes = ProjectClass.objects.filter(project=project, retired_at__isnull=True)
        self.fields["label_class"] = forms.ModelChoiceField(queryset=classes, label=_("Class"))
