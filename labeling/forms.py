"""Form fields that several wings share: a class of the project, the version of a scan."""

from typing import Any

from django import forms

from images.models import Project, ProjectClass


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
