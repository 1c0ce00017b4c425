"""What the pages of the front take."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.utils.translation import gettext_lazy as _

from mediscan_site.core import services
from mediscan_site.core.http.inputs import DayInput, SuggestedInput, day_begins
from mediscan_site.core.models import User, WorkStatus
from mediscan_site.core.words import in_words
from mediscan_site.front.audit_words import ACTIONS, OBJECTS
from mediscan_site.front.selectors import JOB_KINDS

JOB_WORDS = {
    "imports": _("imports"),
    "exports": _("exports"),
    "runs": _("training runs"),
    "evaluations": _("measurings of models"),
    "grades": _("single grades"),
    "batches": _("batches of grades"),
}


class EmailForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"), max_length=254)


class SignInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _(
            "Please enter a correct username and password. Capital letters matter in the password only."
        ),
    }


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """Django's form; the writing is the service's, which also ends the account's sessions and tokens."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 -- as Django calls it
        services.set_password(actor=self.user, user=self.user, password=self.cleaned_data["new_password1"])
        changed: User = self.user
        return changed


class ChangePasswordForm(PasswordChangeForm):
    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 -- as Django calls it
        services.set_password(actor=self.user, user=self.user, password=self.cleaned_data["new_password1"])
        return self.user


class JobFilterForm(forms.Form):
    kind = forms.ChoiceField(
        required=False, label=_("Kind"), choices=[("", _("all")), *((kind, JOB_WORDS[kind]) for kind in JOB_KINDS)]
    )
    status = forms.ChoiceField(
        required=False,
        label=_("Status"),
        choices=[("", _("any")), ("active", _("queued or running")), *in_words(WorkStatus.choices)],
    )


class AuditFilterForm(forms.Form):
    action = forms.CharField(
        required=False, max_length=60, label=_("Action begins with"), widget=SuggestedInput(lambda: ACTIONS.items())
    )
    actor_name = forms.CharField(required=False, max_length=150, label=_("Who"))
    object_type = forms.CharField(
        required=False, max_length=40, label=_("Kind of object"), widget=SuggestedInput(lambda: OBJECTS.items())
    )
    object_id = forms.CharField(required=False, max_length=40, label=_("Id of object"))
    since = forms.DateField(required=False, label=_("From"), widget=DayInput, input_formats=["%Y-%m-%d"])
    until = forms.DateField(required=False, label=_("Until"), widget=DayInput, input_formats=["%Y-%m-%d"])

    def __init__(self, *args: Any, people: Callable[[], Iterable[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["actor_name"].widget = SuggestedInput(lambda: ((name, "") for name in people()))

    def lookups(self) -> dict[str, Any]:
        """The filled fields as lookups; the action by its beginning; days in the reader's zone, both of them included."""
        if not self.is_valid():
            return {}
        sent = {name: value for name, value in self.cleaned_data.items() if value}
        days = {"since": ("at__gte", timedelta(0)), "until": ("at__lt", timedelta(days=1))}
        found = {days[name][0]: day_begins(sent.pop(name) + days[name][1]) for name in days if name in sent}
        if "action" in sent:
            found |= _beginning(sent.pop("action"))
        return found | sent


def _beginning(typed: str) -> dict[str, Any]:
    """The actions that begin so, by name: few enough to be looked up in an index one by one. None that is known: by its beginning,
    which only events of another version of the site have."""
    known = [name for name in ACTIONS if name.startswith(typed)]
    if len(known) == 1:
        return {"action": known[0]}
    return {"action__in": known} if known else {"action__gte": typed, "action__lt": f"{typed}\uffff"}
