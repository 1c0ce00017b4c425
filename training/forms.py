"""What the training page takes. Parsing only: the rules are in the services."""

from typing import Any

from django import forms

from images.models import Project
from labeling.models import Snapshot
from labeling.policies import visible_snapshots
from mediscan_site.core.models import User
from models_registry.inference.names import ARCHITECTURES, MIN_SIZE
from models_registry.models import ModelVersion
from models_registry.policies import visible_models
from training.planning import AUTO, FALSE, TRUE

PRETRAINED = [
    (AUTO, "if weights are on this machine (else from scratch, and the run says so)"),
    (TRUE, "yes: pre-trained ImageNet weights"),
    (FALSE, "no: from scratch"),
]


class RunForm(forms.Form):
    architecture = forms.ChoiceField(
        choices=[("", "as suits the scans and this machine"), *((name, name) for name in ARCHITECTURES)], required=False
    )
    pretrained = forms.ChoiceField(
        choices=PRETRAINED,
        label="Transfer learning",
        help_text="Learns better from few scans. Weights are never fetched by themselves: put them into WEIGHTS_DIR.",
    )
    snapshot = forms.ModelChoiceField(
        queryset=Snapshot.objects.none(),
        required=False,
        label="Data set",
        empty_label="freeze the approved scans now",
    )
    base_model = forms.ModelChoiceField(
        queryset=ModelVersion.objects.none(), required=False, label="Continue from", empty_label="start anew"
    )
    epochs = forms.IntegerField(required=False, min_value=1, max_value=500, help_text="Empty: as the recipe says.")
    image_size = forms.IntegerField(
        required=False,
        min_value=MIN_SIZE,
        max_value=256,
        label="Picture size",
        help_text="Pixels a side. Empty: as the recipe says.",
    )
    members = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=5,
        label="Networks",
        help_text="Their answers are averaged: often better, and so many times as slow. Empty: as the recipe says.",
    )
    folds = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=10,
        label="Folds",
        help_text="2 to 10: a cross-validation by patient, which finds doubtful labels and calibrates on every scan. 0: none.",
    )
    patience = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=500,
        label="Patience",
        help_text="Stop after so many epochs without a gain in validation AUROC beyond its noise. 0: run all of them.",
    )
    seed = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1, initial=0)

    # What the services call these fields in their refusals.
    aliases = {"dataset": "snapshot", "model": "base_model"}

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        datasets = visible_snapshots(user).filter(project=project).order_by("-pk")
        models = visible_models(user).filter(project=project).order_by("-pk")
        self.fields["snapshot"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["base_model"].queryset = models  # type: ignore[attr-defined]

    def arguments(self) -> dict[str, Any]:
        """With a model to continue from, the architecture is that model's."""
        data = dict(self.cleaned_data)
        data["architecture"] = None if data["base_model"] else data["architecture"] or None
        return {**data, "seed": data["seed"] or 0}
