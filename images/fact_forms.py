"""What the page takes on which a scan's facts are changed. Parsing only: the rules are in the services."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from images.models import Split
from images.scan_facts import ON_PAGES, Fact
from mediscan_site.core.words import in_words, said


def _fact_field(fact: Fact) -> forms.Field:
    if fact.choices:
        return forms.ChoiceField(
            required=False,
            label=said(fact.label),
            choices=[("", _("not known")), *in_words((name, name) for name in fact.choices)],
        )
    label = format_lazy("{} ({})", said(fact.label), said(fact.unit)) if fact.unit else said(fact.label)
    example = _("2024-05-31 or 2024-05-31T14:30:00Z") if fact.kind == "moment" else ""
    return forms.CharField(required=False, label=label, help_text=example)


class ScanEditForm(forms.Form):
    """What is known about a scan. `version` is the one the person saw."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    use_for_training = forms.BooleanField(required=False, label=_("Use for training once approved"))
    split = forms.ChoiceField(
        required=False, label=_("Split"), choices=[("", _("decided by the data set")), *in_words(Split.choices)]
    )
    modality = forms.CharField(required=False, label=_("Modality"))
    patient = forms.CharField(
        required=False,
        label=_("Patient"),
        help_text=_("Stored as a keyed pseudonym; scans of one patient never land on two sides."),
    )
    study = forms.CharField(
        required=False,
        label=_("Study"),
        help_text=_("Its code, UID or name; scans of one study never land on two sides either."),
    )
    external_id = forms.CharField(required=False, label=_("External id"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= {fact.name: _fact_field(fact) for fact in ON_PAGES}

    def changes(self, image: Any) -> dict[str, Any]:
        """Only what differs from the scan: an untouched locked split is no attempt to change it."""
        before = scan_values(image)
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name != "version" and str(value or "") != str(before[name] or "")
        }


def scan_values(image: Any) -> dict[str, Any]:
    """The scan as the form shows it."""
    known = getattr(image, "metadata", None)
    names = [name for name in ScanEditForm().fields if name != "version"]
    values = {name: getattr(image if hasattr(image, name) else known, name, None) for name in names}
    if values["capture_date"]:
        values["capture_date"] = values["capture_date"].isoformat().replace("+00:00", "Z")
    return {**values, "version": image.version}
