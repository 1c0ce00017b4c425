"""What the pages of data sets take."""

from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from labeling.models import Snapshot


class SnapshotForm(forms.Form):
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        label=_("Seed"),
        help_text=_("The same scans and seed give the same split."),
    )


class AgainstForm(forms.Form):
    against = forms.ModelChoiceField(queryset=Snapshot.objects.none(), label=_("Compare with"), empty_label=None)

    def __init__(self, *args: Any, others: QuerySet[Snapshot], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ModelChoiceField[Snapshot], self.fields["against"]).queryset = others
