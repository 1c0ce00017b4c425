"""What every HTML view shares: who may call it with which method, and how a service's refusal reaches the person."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from mediscan_site.core import refusals
from mediscan_site.core.errors import DomainError, Forbidden, FourEyes, NotFound
from mediscan_site.core.http.callers import caller
from mediscan_site.core.sentences import in_language

T = TypeVar("T")
View = Callable[..., HttpResponseBase]


def read_page(view: View) -> View:
    """A read-only page."""
    return login_required(require_http_methods(["GET", "HEAD"])(view))


def form_page(view: View) -> View:
    """A page with a form that posts to the same address."""
    return login_required(require_http_methods(["GET", "HEAD", "POST"])(view))


def action(view: View) -> View:
    """An address that only takes a POST and then redirects."""
    return login_required(require_http_methods(["POST"])(view))


def sent(request: HttpRequest) -> dict[str, Any]:
    """What binds a form of a `form_page`: `Form(**sent(request))` is bound by a POST, even an empty one, and by nothing else."""
    return {"data": request.POST, "files": request.FILES} if request.method == "POST" else {}


@dataclass(frozen=True)
class Outcome(Generic[T]):
    ok: bool
    value: T | None = None
    error: DomainError | None = None

    @property
    def result(self) -> T:
        """The service's answer. Ask `ok` first."""
        if self.value is None:
            raise ValueError("the use case was refused or returned nothing")
        return self.value


def attempt(
    request: HttpRequest,
    use_case: Callable[..., T],
    *,
    form: BaseForm | None = None,
    said: str = "",
    **arguments: Any,
) -> Outcome[T]:
    """Calls a service as the signed-in person. A refusal becomes an error of the form (next to its field), else a message.

    A form whose fields have other names than the service's says so in `aliases`. What the person may not see or do at all
    is not a slip in a form: it goes on to the 404 or 403 page.
    """
    try:
        value = use_case(actor=caller(request), **arguments)
    except DomainError as error:
        if isinstance(error, NotFound) or (isinstance(error, Forbidden) and not _is_slip(error)):
            raise
        if isinstance(error, FourEyes):
            refusals.note_request(request, error.code)
        _tell(request, error, form)
        return Outcome(ok=False, error=error)
    if said:
        messages.success(request, said)
    return Outcome(ok=True, value=value)


def _is_slip(error: Forbidden) -> bool:
    """Whether what is forbidden is what the form says, not the form itself."""
    return isinstance(error, FourEyes) or error.attr is not None


def _tell(request: HttpRequest, error: DomainError, form: BaseForm | None) -> None:
    if form is None:
        messages.error(request, error.detail)
    else:
        field = getattr(form, "aliases", {}).get(error.attr, error.attr)
        form.add_error(field if field in form.fields else None, error.detail)


def form_message(request: HttpRequest, form: BaseForm) -> None:
    """Shows the errors of a small form that has no page of its own."""
    for field, errors in form.errors.items():
        name = "" if field == "__all__" else f"{form[field].label}: "
        for text in errors:
            messages.error(request, f"{name}{in_language(text)}")


def respond(
    request: HttpRequest, template: str, context: Mapping[str, Any], form: BaseForm | None = None
) -> HttpResponse:
    """The page, with status 400 when its form was sent with errors."""
    refused = form is not None and form.is_bound and bool(form.errors)
    return render(request, template, {"form": form, **context}, status=400 if refused else 200)
