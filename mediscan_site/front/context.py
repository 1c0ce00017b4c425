"""What every page knows."""

from django.http import HttpRequest
from django.utils.translation import gettext

from images.models import RESEARCH_USE
from mediscan_site.core.policies import is_admin
from mediscan_site.core.preferences import value_of
from mediscan_site.front.messages.selectors import Unread
from mediscan_site.front.selectors import sees_audit


def site(request: HttpRequest) -> dict[str, object]:
    """The research-use notice, and which parts of the site's own bar the viewer gets. Computed only for pages that show them."""
    user = getattr(request, "user", None)
    return {
        "research_use": gettext(RESEARCH_USE),
        "theme": value_of(user, "theme"),
        "letter_keys": value_of(user, "letter_keys"),
        "viewer_is_admin": is_admin(user),
        "unread_messages": lambda: Unread(user),
        "viewer_sees_audit": lambda: user is not None and sees_audit(user),
    }
