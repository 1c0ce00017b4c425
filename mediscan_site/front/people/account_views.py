"""Everybody's own account: what they set for themselves, their tokens, where they are logged in."""

from typing import Any

from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.policies import visible_projects
from mediscan_site.core import services as accounts
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, form_page, respond, sent
from mediscan_site.core.models import ServiceToken, User
from mediscan_site.core.policies import visible_users
from mediscan_site.core.selectors import service_tokens
from mediscan_site.front.people import forms, selectors

TOKENS_SHOWN = 50


@form_page
def account(request: HttpRequest) -> HttpResponse:
    user = caller(request)
    form = forms.PreferencesForm(**sent(request), user=user)
    if request.method == "POST" and form.is_valid():
        said, values = _("Saved."), form.cleaned_data
        if attempt(request, accounts.set_preferences, form=form, said=said, values=values).ok:
            return redirect("account")
    return respond(request, "people/account.html", _mine(user), form)


def _mine(user: User) -> dict[str, Any]:
    return {
        "role_name": selectors.ROLES[user.role],
        "places": selectors.places(user, visible_projects(user)),
        "tokens": service_tokens(user)[:TOKENS_SHOWN],
        "token_form": forms.TokenForm(),
        "log_ins": selectors.log_ins(user),
        "sends_mail": settings.SENDS_MAIL,
    }


@action
def token_make(request: HttpRequest) -> HttpResponse:
    """The token is in this answer only."""
    form = forms.TokenForm(request.POST)
    if form.is_valid():
        done = attempt(request, accounts.issue_service_token, user=caller(request), **form.arguments())
        if done.ok:
            token, raw = done.result
            return respond(request, "people/token.html", {"token": token, "raw": raw})
    form_message(request, form)
    return redirect("account")


@action
def token_end(request: HttpRequest, pk: int) -> HttpResponse:
    """One's own; an administrator's hand reaches those of others, on their pages."""
    token = get_object_or_404(ServiceToken, user__in=visible_users(request.user), pk=pk)
    attempt(request, accounts.revoke_service_token, said=_("The token has ended."), token=token)
    is_own = token.user_id == caller(request).pk
    return redirect("account") if is_own else redirect("user", token.user_id)


@action
def log_out_elsewhere(request: HttpRequest) -> HttpResponse:
    user = caller(request)
    if attempt(request, accounts.end_log_ins, said=_("You are logged out everywhere but here."), user=user).ok:
        update_session_auth_hash(request, user)
    return redirect("account")
