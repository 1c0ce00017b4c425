"""What the upload page takes."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from images.decoding.formats import LISTED
from images.models import Split
from labeling.forms import ClassField, ProjectForm
from labeling.imports import dialects
from labeling.imports.asked import FINDING_HELP, MAX_FINDING
from mediscan_site.core.words import in_words, said


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files; the value is a list."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if not given:
            raise forms.ValidationError(_("Choose at least one file."), code="required")
        return [super(ManyFilesField, self).clean(one, initial) for one in given]


class UploadForm(ProjectForm):
    """Several files; the other fields apply to all of them."""

    file = ManyFilesField(label=format_lazy(_("Scans ({formats}) or ZIP files"), formats=LISTED))
    label = ClassField(
        label=_("Class of all these scans"), empty_label=_("none: label them later"), to_field_name="name"
    )
    patient = forms.CharField(
        required=False,
        max_length=200,
        label=_("Patient"),
        help_text=_("Only if all are of one patient; stored as a keyed pseudonym."),
    )
    split = forms.ChoiceField(
        required=False, label=_("Split"), choices=[("", _("decided by the data set")), *in_words(Split.choices)]
    )
    modality = forms.CharField(required=False, max_length=40, label=_("Modality"))
    preview = forms.BooleanField(
        required=False,
        initial=True,
        label=_("Look before a ZIP comes in"),
        help_text=_("You see what was understood of it, and start the import or give it up."),
    )
    split_frames = forms.BooleanField(
        required=False,
        label=_("Frames as scans"),
        help_text=_(
            "In a ZIP: each frame of a DICOM file and each page of a TIFF becomes a scan of its own, all of one patient."
        ),
    )


class DialectForm(forms.Form):
    """How the labels files of a ZIP that waits are read."""

    dialect = forms.ChoiceField(choices=in_words(dialects.CHOICES), label=_("Labels file written like"))
    finding = forms.CharField(
        required=False, max_length=MAX_FINDING, label=_("Ask for one finding"), help_text=said(FINDING_HELP)
    )


class StartForm(DialectForm):
    """Starts the import of such a ZIP."""

    split_frames = UploadForm.base_fields["split_frames"]
