"""What the pages of browsing take: all of it from the address, so that every view of scans can be sent to a colleague."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from models_registry.browsing.comparing import FIRST, NEITHER, SECOND
from models_registry.browsing.gallery import CELLS, Asked
from models_registry.models import Evaluation, ModelVersion


class GalleryForm(forms.Form):
    """The filter row, and what links of figures add to it."""

    true = forms.ChoiceField(required=False, label=_("Doctors said"))
    predicted = forms.ChoiceField(required=False, label=_("The model said"))
    evaluation = forms.ChoiceField(required=False, label=_("Evaluation"))
    positive = forms.ChoiceField(required=False)
    cutoff = forms.FloatField(required=False, min_value=0, max_value=1)
    cell = forms.ChoiceField(required=False, choices=[("", ""), *((name, name) for name in CELLS)])
    low = forms.FloatField(required=False, min_value=0, max_value=1)
    high = forms.FloatField(required=False, min_value=0, max_value=1)

    def __init__(self, *args: Any, model: ModelVersion, readings: Sequence[Evaluation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._classes = {str(entry["id"]): entry for entry in model.classes}
        self._readings = {str(row.pk): row for row in readings}
        names = [("", _("any")), *((pk, entry["name"]) for pk, entry in self._classes.items())]
        for field in ("true", "predicted", "positive"):
            self.fields[field].choices = names  # type: ignore[attr-defined]
        self.fields["evaluation"].choices = [  # type: ignore[attr-defined]
            ("", _("the newest")),
            *((pk, f"{row.created_at:%Y-%m-%d}, {row.snapshot.code}") for pk, row in self._readings.items()),
        ]

    def rows(self) -> list[forms.BoundField]:
        """What a person chooses; the rest comes with a link."""
        return [self[name] for name in ("true", "predicted", "evaluation")]

    def reading(self) -> Evaluation | None:
        chosen = self._readings.get(self.cleaned_data.get("evaluation", ""))
        return chosen or next(iter(self._readings.values()), None)

    def asked(self) -> Asked:
        """What was sent and makes sense; the rest is as if it were not there."""
        data = self.cleaned_data
        cutoff, cell = data.get("cutoff"), data.get("cell") or ""
        positive = self._classes.get(data.get("positive") or "")
        return Asked(
            truth=self._classes.get(data.get("true") or ""),
            said=self._classes.get(data.get("predicted") or ""),
            positive=positive,
            cutoff=0.5 if cutoff is None else cutoff,
            cell=cell if positive else "",
            low=data.get("low"),
            high=data.get("high"),
        )


class CompareForm(forms.Form):
    """Two versions, ticked in the list or chosen here; and whose mistakes are shown."""

    first = forms.TypedChoiceField(label=_("First version"))
    second = forms.TypedChoiceField(label=_("Second version"))
    right = forms.ChoiceField(required=False, choices=[("", ""), *((who, who) for who in (FIRST, SECOND, NEITHER))])

    def __init__(self, *args: Any, versions: Iterable[ModelVersion], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Read once for both fields, and for what is chosen.
        known = {str(row.pk): row for row in versions}
        for name in ("first", "second"):
            field: Any = self.fields[name]
            field.choices = [("", "---------"), *((pk, row.code) for pk, row in known.items())]
            field.coerce = known.__getitem__

    def rows(self) -> list[forms.BoundField]:
        return [self["first"], self["second"]]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("first") and data.get("first") == data.get("second"):
            raise forms.ValidationError(_("Choose two different versions."))
        return data
