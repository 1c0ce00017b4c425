"""What every page knows."""

from django.http import HttpRequest
from django.utils.translation import gettext

from images.models import RESEARCH_USE
from mediscan_site.core.policies import is_admin
from mediscan_site.core.preferences import value_of
from mediscan_site.front.selectors import Bar


def site(request: HttpRequest) -> dict[str, object]:
    """The research-use notice, and which parts of the site's own bar the viewer gets. Computed only for pages that show them."""
    user = getattr(request, "user", None)
    bar = Bar(user)
    return {
        "research_use": gettext(RESEARCH_USE),
        "theme": value_of(user, "theme"),
        "letter_keys": value_of(user, "letter_keys"),
        "viewer_is_admin": is_admin(user),
        "bar": bar,
        "viewer_sees_audit": lambda: bar.sees_audit,
    }
