"""What the pages of acceptance tests take. Parsing only."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from images.models import Project
from mediscan_site.core.words import in_words
from models_registry.acceptance import selectors, services
from models_registry.models import AcceptanceDecision, ModelVersion

ANY_DEVICE = _("any device")
UNNAMED = _("scans that name no institution")


class BeginForm(forms.Form):
    model = forms.ModelChoiceField(queryset=ModelVersion.objects.none(), label=_("Model version"), empty_label=None)
    place = forms.ChoiceField(
        label=_("Place"),
        help_text=_("As the scans of the project name it; the test takes scans of this place alone."),
    )
    wanted = forms.IntegerField(
        min_value=services.FEWEST,
        max_value=services.MOST,
        initial=services.USUAL,
        label=_("Scans"),
        help_text=_(
            "How many are to be read and graded. With 100 of a class, a sensitivity of 0.90 is known to about ± 0.06."
        ),
    )

    def __init__(self, *args: Any, project: Project, versions: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pairs = {str(number): pair for number, pair in enumerate(selectors.known_places(project))}
        self.fields["model"].queryset = versions  # type: ignore[attr-defined]
        self.fields["place"].choices = [(key, _words(pair)) for key, pair in self._pairs.items()]  # type: ignore[attr-defined]

    def answers(self) -> dict[str, Any]:
        institution, device = self._pairs[self.cleaned_data["place"]]
        given = {"model": self.cleaned_data["model"], "wanted": self.cleaned_data["wanted"]}
        return {**given, "institution": institution, "device": device}


def _words(pair: tuple[str, str]) -> str:
    institution, device = pair
    return f"{institution or UNNAMED}, {device or ANY_DEVICE}"


class DecideForm(forms.Form):
    decision = forms.ChoiceField(
        choices=in_words(AcceptanceDecision.Decision.choices), label=_("Decision"), widget=forms.RadioSelect
    )
    reason = forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 3}), label=_("Because"))
