"""What the pages take that start a batch. Parsing only: the rules are in the services."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from images.models import Project
from images.policies import visible_scans
from labeling.models import Import
from labeling.policies import visible_imports
from labeling.reading.reviews import MAX_IMAGES
from mediscan_site.core.models import User


class BatchForm(forms.Form):
    """Ticked scans, an import, or neither: then the filters that were sent along say which scans."""

    chosen = forms.BooleanField(required=False)

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scans = visible_scans(user).filter(project=project)
        self.fields["images"] = forms.ModelMultipleChoiceField(queryset=scans, required=False, label=_("Scans"))
        imports: forms.ModelChoiceField[Import] = forms.ModelChoiceField(
            queryset=visible_imports(user).filter(project=project), required=False, label=_("Import")
        )
        self.fields["import"] = imports

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("chosen") and not self.errors and not data.get("images"):
            raise forms.ValidationError(_("Tick at least one scan, and at most %(most)d.") % {"most": MAX_IMAGES})
        return data

    def arguments(self, filters: Mapping[str, str]) -> dict[str, Any]:
        if self.cleaned_data["chosen"]:
            return {"images": list(self.cleaned_data["images"])}
        if self.cleaned_data["import"]:
            return {"source_import": self.cleaned_data["import"]}
        return {"filters": filters}
