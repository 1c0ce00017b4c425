"""What the pages of the front take."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm

from mediscan_site.core import services
from mediscan_site.core.models import User, WorkStatus
from mediscan_site.front.selectors import JOB_KINDS


class EmailForm(forms.Form):
    email = forms.EmailField(label="E-mail address", max_length=254)


class SignInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Please enter a correct username and password. Capital letters matter in the password only.",
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
    kind = forms.ChoiceField(required=False, choices=[("", "all"), *((kind, kind) for kind in JOB_KINDS)])
    status = forms.ChoiceField(
        required=False, choices=[("", "any"), ("active", "queued or running"), *WorkStatus.choices]
    )


class AuditFilterForm(forms.Form):
    action = forms.CharField(required=False, max_length=60, label="Action begins with")
    actor_name = forms.CharField(required=False, max_length=150, label="Who")
    object_type = forms.CharField(required=False, max_length=40, label="Kind of object")
    object_id = forms.CharField(required=False, max_length=40, label="Id of object")

    def lookups(self) -> dict[str, Any]:
        """The filled fields as lookups; the action by its beginning."""
        if not self.is_valid():
            return {}
        names = {"action": "action__startswith"}
        return {names.get(field, field): value for field, value in self.cleaned_data.items() if value}
