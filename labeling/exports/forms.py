"""What the pages of exports take."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from labeling.models import Export, Snapshot


class ExportForm(forms.Form):
    """What is exported, and in which form."""

    dataset = forms.ModelChoiceField(
        queryset=Snapshot.objects.none(),
        required=False,
        empty_label=_("none: the scans as they are now"),
        label=_("Data set"),
    )
    # Not `files`: a form has an attribute of that name.
    scans_as = forms.ChoiceField(
        choices=[
            (Export.Files.ORIGINALS, _("files without their metadata")),
            (Export.Files.RENDITIONS, _("8-bit PNG, at most 2,048 pixels")),
        ],
        label=_("Scans as"),
    )

    def __init__(self, *args: Any, datasets: QuerySet[Snapshot], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["dataset"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = datasets
