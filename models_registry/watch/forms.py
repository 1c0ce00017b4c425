"""What the pages of watching take. Parsing only."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from images.models import Project, ProjectClass
from labeling.reading.labels import MAX_REASON
from mediscan_site.core.words import in_words
from models_registry.models import AlarmDecision


class AlarmForm(forms.Form):
    decision = forms.ChoiceField(
        choices=in_words(AlarmDecision.Decision.choices), label=_("Decision"), widget=forms.RadioSelect
    )
    reason = forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 3}), label=_("Because"))


class ReadForm(forms.Form):
    label_class = forms.ModelChoiceField(
        queryset=ProjectClass.objects.none(),
        required=False,
        label=_("What you see"),
        widget=forms.RadioSelect,
        empty_label=None,
    )
    ungradable = forms.CharField(required=False, max_length=MAX_REASON, label=_("Or why nobody can tell"))

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = ProjectClass.objects.filter(project=project, retired_at__isnull=True)
        self.fields["label_class"].queryset = rows  # type: ignore[attr-defined]
        self.fields["label_class"].label_from_instance = lambda row: row.name  # type: ignore[attr-defined]
