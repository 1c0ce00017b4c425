"""What the pages of people take."""

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any, Final

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from images.models import Project
from images.policies import TEMPLATES
from mediscan_site.core.models import Role, User
from mediscan_site.core.preferences import THUMBNAIL_SIZES, all_of, time_zones
from mediscan_site.core.scopes import LIFETIME, LONGEST, USUAL, Scope
from mediscan_site.core.words import in_words
from mediscan_site.front.people.selectors import ROLES, STATES

NO_PLACE: Final = ("", _("not a member"))


class PeopleFilterForm(forms.Form):
    search = forms.CharField(required=False, max_length=150, label=_("Name or e-mail"))
    role = forms.ChoiceField(required=False, choices=[("", _("any")), *ROLES.items()], label=_("Role"))
    state = forms.ChoiceField(
        required=False,
        label=_("State"),
        choices=[("", _("any")), *((key, STATES[key]) for key in ("active", "invited", "inactive"))],
    )

    def lookups(self) -> dict[str, str]:
        return {name: value for name, value in self.cleaned_data.items() if value} if self.is_valid() else {}


class PersonForm(forms.Form):
    """An account as an administrator changes it."""

    username = forms.CharField(max_length=150, label=_("User name"))
    email = forms.EmailField(required=False, max_length=254, label=_("E-mail"))
    role = forms.ChoiceField(choices=list(ROLES.items()), label=_("Role"))


class InvitationForm(PersonForm):
    """A person and what they come to do, with one field for each project: `place_7`. `asked_from`: the project whose page
    led here."""

    field_order = ("username", "email", "role")

    def __init__(self, *args: Any, projects: Iterable[Project], asked_from: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.projects = {f"place_{project.pk}": project for project in projects}
        self.fields["role"].initial = Role.DOCTOR
        self.fields["email"].required = settings.SENDS_MAIL
        choices = [NO_PLACE, *((key, name) for key, (name, _rights) in TEMPLATES.items())]
        for name, project in self.projects.items():
            first = "reader" if str(project.pk) == asked_from else ""
            self.fields[name] = forms.ChoiceField(required=False, choices=choices, label=project.name, initial=first)

    def places(self) -> list[forms.BoundField]:
        return [self[name] for name in self.projects]

    def arguments(self) -> dict[str, Any]:
        """What `services.invite` takes."""
        said = self.cleaned_data
        chosen = {project: said[name] for name, project in self.projects.items() if said[name]}
        return {"projects": chosen, **{name: said[name] for name in ("username", "email", "role")}}


class PreferencesForm(forms.Form):
    """`core.preferences` for people; the windows of the viewer are made there."""

    theme = forms.ChoiceField(
        label=_("Look"),
        choices=[("system", _("as the machine says")), ("light", _("light")), ("dark", _("dark"))],
    )
    language = forms.ChoiceField(required=False, label=_("Language"), choices=[])
    time_zone = forms.ChoiceField(required=False, label=_("Time zone"), choices=[])
    letter_keys = forms.BooleanField(
        required=False,
        label=_("Single keys act on pages"),
        help_text=_("Off: only keys with Ctrl or Alt, and those of the browser."),
    )
    thumbnail_size = forms.IntegerField(
        label=_("Size of pictures in lists, in pixels"), min_value=THUMBNAIL_SIZES[0], max_value=THUMBNAIL_SIZES[1]
    )
    digest = forms.ChoiceField(
        label=_("A mail of what waits for me"),
        choices=[("off", _("never")), ("daily", _("every morning")), ("weekly", _("on Monday mornings"))],
    )
    mail_notices = forms.BooleanField(required=False, label=_("Mail me each message at once"))

    def __init__(self, *, user: User, **kwargs: Any) -> None:
        super().__init__(initial=all_of(user), **kwargs)
        self._choices("language", [("", _("as the browser says")), *settings.LANGUAGES])
        self._choices("time_zone", [("", _("as the browser says")), *zone_choices()])
        if not settings.SENDS_MAIL:
            del self.fields["digest"], self.fields["mail_notices"]

    def _choices(self, name: str, choices: list[Any]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices


@cache
def zone_choices() -> tuple[tuple[str, str], ...]:
    """Zones as people name them: by continent and town."""
    named = sorted(zone for zone in time_zones() if zone.split("/")[0] in CONTINENTS and "/" in zone)
    return (("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in named))


CONTINENTS: Final = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
)  # fmt: skip


class TokenForm(forms.Form):
    """A service token of one's own."""

    name = forms.CharField(max_length=100, label=_("Name"), help_text=_("Where it is used."))
    scopes = forms.MultipleChoiceField(
        choices=in_words(Scope.choices), initial=USUAL, widget=forms.CheckboxSelectMultiple, label=_("What it may do")
    )
    days = forms.IntegerField(label=_("Days until it ends"), min_value=1, max_value=LONGEST.days, initial=LIFETIME.days)

    def arguments(self) -> dict[str, Any]:
        said = self.cleaned_data
        ends = timezone.now() + timedelta(days=said["days"]) - timedelta(minutes=1)
        return {"name": said["name"], "scopes": said["scopes"], "expires_at": ends}
