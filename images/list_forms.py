"""What the list of scans takes besides its filters: tags, and filters to keep."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from images.models import Project, SavedFilter
from images.policies import visible_projects
from images.services.saving import LONGEST as LONGEST_FILTER
from images.services.tags import LONGEST
from mediscan_site.core.models import User


class TagsField(forms.CharField):
    """Words with commas between them."""

    def clean(self, value: Any) -> list[str]:
        return [word for part in str(super().clean(value)).split(",") if (word := part.strip())]


class TagsForm(forms.Form):
    add = TagsField(
        required=False, max_length=400, label=_("Add tags"), help_text=_("Short words, with commas between.")
    )
    remove = TagsField(required=False, max_length=400, label=_("Remove tags"))


class TagNameForm(forms.Form):
    name = forms.CharField(max_length=LONGEST, label=_("Name"))


class SaveFilterForm(forms.Form):
    """`query`: that of the list's address."""

    page = forms.ChoiceField(choices=SavedFilter.Page.choices)
    name = forms.CharField(max_length=LONGEST_FILTER, label=_("Name"))
    query = forms.CharField(required=False, max_length=4000)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        project: forms.ModelChoiceField[Project] = forms.ModelChoiceField(
            queryset=visible_projects(user), required=False
        )
        self.fields["project"] = project

    def clean_query(self) -> dict[str, str]:
        given = QueryDict(self.cleaned_data["query"].encode("utf-8", "replace"))
        return {key: str(value) for key, value in given.items()}
