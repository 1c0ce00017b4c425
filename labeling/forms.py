"""What the pages of labelling take. Parsing only: the rules are in the services."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.db.models import QuerySet

from images.models import Image, Project, ProjectClass, Split
from images.policies import visible_scans
from labeling import services
from labeling.models import Export, Review, Snapshot
from mediscan_site.core.models import User

REASONS = ("poor image quality", "wrong body part", "wrong view", "not a scan of this kind", "cannot tell")


def active_classes(project: Project) -> Any:
    return ProjectClass.objects.filter(project=project, retired_at__isnull=True)


class ClassField(forms.ModelChoiceField[ProjectClass]):
    """A class of the project that is not retired."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=ProjectClass.objects.none(), required=False, **kwargs)


class ProjectForm(forms.Form):
    """A form whose classes are those of one project."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, ClassField):
                field.queryset = active_classes(project)


class VersionForm(forms.Form):
    """The version of the scan that the person saw."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)


class LabelForm(VersionForm, ProjectForm):
    """A class, or a reason why the scan is ungradable."""

    label_class = ClassField(label="Class", empty_label="Choose a class")
    ungradable = forms.CharField(required=False, max_length=200, label="Or ungradable, because")
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("label_class")) == bool(data.get("ungradable")):
            raise forms.ValidationError("Choose a class, or say why the scan is ungradable: one of the two.")
        return data

    @property
    def use_case(self) -> Callable[..., Any]:
        return services.label_scan if self.cleaned_data["label_class"] else services.mark_ungradable

    def arguments(self) -> dict[str, Any]:
        data = self.cleaned_data
        said = {"label_class": data["label_class"]} if data["label_class"] else {"reason": data["ungradable"]}
        return {**said, "comment": data["comment"], "expected_version": data["version"]}


class ReviewForm(VersionForm, ProjectForm):
    status = forms.ChoiceField(choices=Review.Status.choices, label="Decision")
    label_class = ClassField(label="Class", empty_label="the class it has")
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))

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
    """The label page: which scan, and which of its buttons."""

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, project=project, **kwargs)
        self.fields["image"] = scan_field(user, project)


class DeskReviewForm(ReviewForm):
    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, project=project, **kwargs)
        self.fields["image"] = scan_field(user, project)


class SkipForm(forms.Form):
    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image"] = scan_field(user, project)


class KeepForm(SkipForm, VersionForm):
    """The scan whose doubted label is right, in the version that was looked at."""

    def arguments(self) -> dict[str, Any]:
        return {"image": self.cleaned_data["image"], "expected_version": self.cleaned_data["version"]}


class ReviewManyForm(forms.Form):
    status = forms.ChoiceField(choices=[("approved", "approve"), ("rejected", "reject")])
    comment = forms.CharField(required=False)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["images"] = forms.ModelMultipleChoiceField(
            queryset=visible_scans(user).filter(project=project).select_related("project"),
            error_messages={"required": "Tick at least one scan."},
            label="Scans",
        )


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files; the value is a list."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if not given:
            raise forms.ValidationError("Choose at least one file.", code="required")
        return [super(ManyFilesField, self).clean(one, initial) for one in given]


class UploadForm(ProjectForm):
    """Several files; what else is filled in holds for all of them."""

    file = ManyFilesField(label="Scans (DICOM, JPEG, PNG, TIFF) or ZIP files")
    label = ClassField(label="Class of all these scans", empty_label="none: label them later", to_field_name="name")
    patient = forms.CharField(
        required=False, max_length=200, help_text="Only if all are of one patient; stored as a keyed pseudonym."
    )
    split = forms.ChoiceField(required=False, choices=[("", "decided by the data set"), *Split.choices])
    modality = forms.CharField(required=False, max_length=40)
    split_frames = forms.BooleanField(
        required=False,
        label="Frames as scans",
        help_text="In a ZIP: each frame of a DICOM file and each page of a TIFF becomes a scan of its own, all of one patient.",
    )


class SnapshotForm(forms.Form):
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=0, help_text="The same scans and seed give the same split."
    )


class AgainstForm(forms.Form):
    against = forms.ModelChoiceField(queryset=Snapshot.objects.none(), label="Compare with", empty_label=None)

    def __init__(self, *args: Any, others: QuerySet[Snapshot], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ModelChoiceField[Snapshot], self.fields["against"]).queryset = others


class ExportForm(forms.Form):
    """What leaves, and as what."""

    dataset = forms.ModelChoiceField(
        queryset=Snapshot.objects.none(), required=False, empty_label="none: the scans as they stand", label="Data set"
    )
    # Not `files`: a form has an attribute of that name.
    scans_as = forms.ChoiceField(
        choices=[
            (Export.Files.ORIGINALS, "files without their metadata"),
            (Export.Files.RENDITIONS, "8-bit PNG, at most 2,048 pixels"),
        ],
        label="Scans as",
    )

    def __init__(self, *args: Any, datasets: QuerySet[Snapshot], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["dataset"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = datasets
