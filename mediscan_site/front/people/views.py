"""Pages of accounts, for administrators: everybody, one person, an invitation."""

from typing import Any

from django.conf import settings
from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from images.policies import visible_projects
from mediscan_site.core import invitations
from mediscan_site.core import services as accounts
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_page, read_page, respond, sent
from mediscan_site.core.http.pages import keyset_page
from mediscan_site.core.http.site import site_url
from mediscan_site.core.logins import is_locked_out
from mediscan_site.core.models import User
from mediscan_site.core.policies import require_admin
from mediscan_site.core.selectors import service_tokens
from mediscan_site.front.forms import NewPasswordForm
from mediscan_site.front.people import forms, selectors, services
from mediscan_site.front.people.deeds import deeds

PAGE = 50


@read_page
def user_list(request: HttpRequest) -> HttpResponse:
    require_admin(request.user)
    form = forms.PeopleFilterForm(request.GET)
    found = selectors.people(request.user, **form.lookups())
    page = keyset_page(found, ordering="username_key", cursor=request.GET.get("cursor"), size=PAGE)
    rows = [(user, selectors.STATES[selectors.state_of(user)], selectors.ROLES[user.role]) for user in page.rows]
    return respond(request, "people/users.html", {"page": page, "rows": rows, "filters": form, "asked": request.GET})


@form_page
def user_new(request: HttpRequest) -> HttpResponse:
    require_admin(request.user)
    projects = visible_projects(request.user).order_by("name")[: selectors.PROJECTS_SHOWN]
    form = forms.InvitationForm(**sent(request), projects=projects, asked_from=request.GET.get("project", ""))
    if request.method == "POST" and form.is_valid():
        done = attempt(request, services.invite, form=form, base_url=site_url(request), **form.arguments())
        if done.ok:
            return _invited(request, *done.result)
    return respond(request, "people/invite.html", {"sends_mail": settings.SENDS_MAIL}, form)


def _invited(request: HttpRequest, row: Any, link: str | None) -> HttpResponse:
    """The link is in this answer only."""
    return respond(request, "people/link.html", {"person": row.user, "link": link, "invitation": row})


@form_page
def user(request: HttpRequest, pk: int) -> HttpResponse:
    found = _person(request, pk)
    values = {name: getattr(found, name) for name in ("username", "email", "role")}
    form = forms.PersonForm(**sent(request), initial=values)
    if request.method == "POST" and form.is_valid():
        said, changes = _("Saved."), form.cleaned_data
        if attempt(request, accounts.update_user, form=form, said=said, user=found, changes=changes).ok:
            return redirect("user", pk)
    return respond(request, "people/user.html", _about(request, found), form)


def _about(request: HttpRequest, user: User) -> dict[str, Any]:
    return {
        "person": user,
        "role_name": selectors.ROLES[user.role],
        "state": selectors.state_of(user),
        "state_name": selectors.STATES[selectors.state_of(user)],
        "invitation": selectors.invitation_of(user),
        "places": selectors.places(user, visible_projects(request.user)),
        "deeds": deeds(selectors.recent(user)),
        "tokens": service_tokens(user)[: selectors.SHOWN],
        "log_ins": selectors.log_ins(user)[:5],
        "locked": is_locked_out(user),
        "is_me": user.pk == caller(request).pk,
        "sends_mail": settings.SENDS_MAIL,
    }


@action
def user_active(request: HttpRequest, pk: int) -> HttpResponse:
    found, active = _person(request, pk), request.POST.get("active") == "yes"
    said = _("The account may be used again.") if active else _("The account is deactivated; its sessions have ended.")
    attempt(request, accounts.update_user, said=said, user=found, changes={"is_active": active})
    return redirect("user", pk)


@action
def user_unlock(request: HttpRequest, pk: int) -> HttpResponse:
    attempt(request, accounts.unlock_account, said=_("They may log in again."), user=_person(request, pk))
    return redirect("user", pk)


@action
def user_log_out(request: HttpRequest, pk: int) -> HttpResponse:
    said = _("Logged out everywhere.")
    attempt(request, accounts.end_log_ins, said=said, user=_person(request, pk))
    return redirect("user", pk)


@action
def user_link(request: HttpRequest, pk: int) -> HttpResponse:
    """A one-time link to set a password, shown in this answer only."""
    found = _person(request, pk)
    done = attempt(request, accounts.make_reset_link, user=found, base_url=site_url(request))
    context = {"person": found, "link": done.value}
    return respond(request, "people/link.html", context) if done.ok else redirect("user", pk)


@action
def user_invitation(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it again, take it back, or make a link to hand over."""
    found, what = _person(request, pk), request.POST.get("what")
    if what == "back":
        attempt(request, invitations.take_back, said=_("The invitation is taken back; its links are void."), user=found)
        return redirect("user", pk)
    again = invitations.invite_again if what == "again" else _handed_over
    done = attempt(request, again, user=found, base_url=site_url(request))
    return _invited(request, *done.result) if done.ok else redirect("user", pk)


def _handed_over(*, actor: User, user: User, base_url: str) -> tuple[Any, str]:
    link = invitations.hand_over(actor=actor, user=user, base_url=base_url)
    return selectors.invitation_of(user), link


class InvitationPage(auth.PasswordResetConfirmView):
    """Where whoever was invited chooses a password; then they are in."""

    template_name = "people/welcome.html"
    form_class = NewPasswordForm
    token_generator = invitations.Links()
    post_reset_login = True
    post_reset_login_backend = "django.contrib.auth.backends.ModelBackend"
    success_url = reverse_lazy("dashboard")


def _person(request: HttpRequest, pk: int) -> User:
    require_admin(request.user)
    return get_object_or_404(selectors.people(request.user), pk=pk)
