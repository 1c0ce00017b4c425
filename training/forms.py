"""What the training page takes. Parsing only: the rules are in the services."""

from typing import Any, Final

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from images.models import Project
from labeling.models import Snapshot
from labeling.policies import visible_snapshots
from mediscan_site.core.models import User
from mediscan_site.core.words import said
from models_registry.models import ModelVersion
from models_registry.policies import visible_models
from training.engine.config import ASKABLE
from training.engine.options import PAGE, Option
from training.wishes import AUTO, FALSE, TRUE, Wishes

PRETRAINED = [
    (AUTO, _("if weights are on this machine (else from scratch, and the run says so)")),
    (TRUE, _("yes: pre-trained ImageNet weights")),
    (FALSE, _("no: from scratch")),
]


AS_SUITS = _("as suits the scans and this machine")
# What a reader is told of a choice whose name says too little.
WORDS: Final = {
    "grey": _("grey levels"),
    "windows": _("windows: ranges of its own values (CT)"),
    "squash": _("squashed to the square"),
    "letterbox": _("at its own shape, with a margin"),
    "kept": _("as they are"),
    "equalised": _("equalised in each scan, whatever its exposure was"),
}
# What most people choose, if anything; the rest is folded in.
FIRST: Final = ("snapshot", "effort", "image_size")
USUAL, QUICK, THOROUGH = "", "quick", "thorough"
EFFORTS: Final = [
    (USUAL, _("as usual: as suits the scans and this machine")),
    (QUICK, _("a quick look: few epochs, one network; not for use")),
    (THOROUGH, _("thorough: three networks, larger pictures; takes much longer")),
]
# What each asks for, where the person does not say it otherwise.
ASKS: Final[dict[str, dict[str, int]]] = {
    QUICK: {"epochs": 6, "members": 1},
    THOROUGH: {"members": 3},
}
_EMPTY: Final = _("Empty: as the recipe says.")
LONGEST: Final = 80
# What the recipe can decide comes first.
ON_PAGE = {
    option.name: option
    for option in sorted(ASKABLE.values(), key=lambda option: not option.planned)
    if option.asked == PAGE
}
FIELDS: dict[type, type[forms.IntegerField]] = {int: forms.IntegerField, float: forms.FloatField}


def _field(option: Option) -> forms.Field:
    """An option of the engine as a field that may stay empty."""
    if option.choices:
        names = [(name, WORDS.get(name, name)) for name in option.choices]
        left_out = (
            AS_SUITS if option.planned else format_lazy(_("as usual: {}"), WORDS.get(option.default, option.default))
        )
        return forms.ChoiceField(
            choices=[("", left_out), *names], label=said(option.label), required=False, help_text=said(option.help)
        )
    if option.kind is str:
        return forms.CharField(
            max_length=LONGEST, label=said(option.label), required=False, help_text=said(option.help)
        )
    return FIELDS[option.kind](
        required=False,
        min_value=option.low,
        max_value=option.high,
        label=said(option.label),
        initial=None if option.planned else option.default,
        help_text=format_lazy("{} {}", said(option.help), _EMPTY) if option.planned else said(option.help),
    )


class RunForm(forms.Form):
    """What is asked of every run; the options of the engine that the page has fields for join in."""

    effort = forms.ChoiceField(choices=EFFORTS, required=False, label=_("How thorough"))
    pretrained = forms.ChoiceField(
        choices=PRETRAINED,
        label=_("Transfer learning"),
        help_text=_(
            "Learns better from few scans. Weights are never fetched by themselves: put them into WEIGHTS_DIR."
        ),
    )
    snapshot = forms.ModelChoiceField(
        queryset=Snapshot.objects.none(),
        required=False,
        label=_("Data set"),
        empty_label=_("freeze the approved scans now"),
    )
    base_model = forms.ModelChoiceField(
        queryset=ModelVersion.objects.none(),
        required=False,
        label=_("Continue from"),
        empty_label=_("start from scratch"),
    )

    # What the services call these fields in their refusals.
    aliases = {"dataset": "snapshot", "model": "base_model"}

    def __init__(self, *args: Any, user: User, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        datasets = visible_snapshots(user).filter(project=project).order_by("-pk")
        models = visible_models(user).filter(project=project).order_by("-pk")
        self.fields["snapshot"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["base_model"].queryset = models  # type: ignore[attr-defined]
        self.fields.update({name: _field(option) for name, option in ON_PAGE.items() if name not in self.fields})
        self.order_fields([*FIRST, "base_model", "sees", "architecture", "pretrained"])

    def first(self) -> list[forms.BoundField]:
        return [self[name] for name in FIRST]

    def folded(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in FIRST]

    def is_open(self) -> bool:
        """Whether something that is folded in was chosen or is wrong."""
        return any(field.errors or (self.is_bound and field.name in self.changed_data) for field in self.folded())

    def arguments(self) -> dict[str, Any]:
        """Of `start_run`. With a model to continue from, the architecture is that model's."""
        data = self.cleaned_data
        options = {name: data[name] for name in ON_PAGE if data[name] not in ("", None)}
        if data["base_model"]:
            # It stays as it is; how often it goes through the scans may still be said.
            options.pop("architecture", None)
            options = {"epochs": ASKS[QUICK]["epochs"], **options} if data["effort"] == QUICK else options
        else:
            options = {**ASKS.get(data["effort"], {}), **options}
        larger = data["effort"] == THOROUGH and not data["base_model"]
        wishes = Wishes.of(base_model=data["base_model"], larger=larger, **options)
        return {"snapshot": data["snapshot"], "wishes": wishes}
