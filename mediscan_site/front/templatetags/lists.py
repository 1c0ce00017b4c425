"""What lists of scans and of work share: sizes of thumbnails, counts with a bound, filters that somebody keeps."""

from typing import Any, Final

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.http import urlencode

from images import selectors
from images.models import Project
from images.policies import can
from images.services.saving import keepable
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.preferences import value_of

register = template.Library()
# In pixels; static/css/picking.css has a class for each.
SIZES: Final = (96, 128, 168, 224, 288, 400)


@register.simple_tag(takes_context=True)
def thumb_size(context: dict[str, Any]) -> int:
    """The step next to the size that the person chose."""
    wanted = value_of(context["request"].user, "thumbnail_size")
    return min(SIZES, key=lambda size: abs(size - wanted))


@register.inclusion_tag("parts/thumb_sizes.html", takes_context=True)
def thumb_sizes(context: dict[str, Any]) -> dict[str, Any]:
    """The slider over a list of thumbnails."""
    size = thumb_size(context)
    return {"place": SIZES.index(size), "last": len(SIZES) - 1, "sizes": ",".join(map(str, SIZES))}


@register.filter
def bounded(count: int) -> str:
    """12,345 of a list that is counted no further than 10,000: "10,000+"."""
    return f"{intcomma(MOST_COUNTED)}+" if count > MOST_COUNTED else str(intcomma(count))


@register.inclusion_tag("parts/saved_filters.html", takes_context=True)
def saved_filters(context: dict[str, Any], page: str, project: Project | None = None) -> dict[str, Any]:
    """The person's own filters of this list as chips, then those that others share, and a form that keeps the one that is set."""
    request = context["request"]
    kept = keepable(page, request.GET.dict())
    rows = [
        {"row": row, "address": f"{request.path}?{urlencode(row.query)}", "current": row.query == kept}
        for row in selectors.saved_filters(request.user, page, project)
    ]
    own = [shown for shown in rows if shown["row"].user_id == request.user.pk]
    offered = [shown for shown in rows if shown["row"].user_id != request.user.pk]
    new = bool(kept) and not any(row["current"] for row in (*own, *offered))
    manages = project is not None and bool(offered) and can(request.user, "manage_project", project)
    told = {"rows": own, "offered": offered, "manages": manages, "query": urlencode(kept) if new else ""}
    return {**told, "page": page, "project": project, "request": request}
