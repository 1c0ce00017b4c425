"""Small words for templates: badges, percentages, rights of the viewer, the project's navigation."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from images import facts, frames, looking
from images.models import Image, Metadata, Project
from labeling.datasets.selectors import erased_members
from labeling.models import Snapshot
from labeling.reading.selectors import queue_counts
from mediscan_site.front.axes import share as share_words
from mediscan_site.front.navigation import links_of
from mediscan_site.front.rights import held
from models_registry import selectors
from models_registry.batches.selectors import on_arrival
from models_registry.grades import prediction_sets
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import Grade
from models_registry.versions.fairness import test_reads as readings
from models_registry.worklists.selectors import counts as waiting_referrals

register = template.Library()


@register.simple_tag
def icon(name: str, label: str = "", more: str = "") -> SafeString:
    """One symbol of static/img/icons.svg; with a label where it stands alone. `more`: `turns` where it points along the text."""
    address, classes = static("img/icons.svg"), f"icon {more}".strip()
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}#{}"/></svg>', classes, label, address, name
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, address, name)


GOOD = {
    "accept",
    "approved",
    "answered",
    "succeeded",
    "deployed",
    "created",
    "answer",
    "labeled",
    "deploy",
    "active",
    "correct",
}
BAD = {"rejected", "failed", "wrong"}
CARE = {
    "open",
    "complete",
    "untested",
    "refer_all",
    "retrain",
    "modified",
    "pending",
    "refer",
    "referred",
    "warning",
    "duplicate",
    "running",
    "rollback",
    "ungradable",
    "held",
}


@register.simple_tag
def rights(user: Any, project: Project) -> dict[str, bool]:
    """`rights.label_image` in a template: what the viewer may do in the project."""
    return dict.fromkeys(held(user, project), True)


@register.simple_tag
def queue(user: Any, project: Project) -> dict[str, int]:
    """`queue.label`, `queue.review`: how many scans wait for the viewer, as the desks count them."""
    return queue_counts(user=user, projects=[project])[project.pk]


@register.simple_tag
def referred(project: Project) -> int:
    """How many scans that a model gave back wait for somebody to read them."""
    return waiting_referrals([project])[project.pk]


@register.simple_tag
def arrivals(user: Any, project: Project) -> str:
    """What a project whose new scans are graded when they come in says about it."""
    return on_arrival(user, project)


@register.simple_tag
def test_reads(snapshot: Snapshot) -> int:
    """How often the test set of this data set was read, through whichever data set that has it."""
    return readings(snapshot)


@register.simple_tag
def erased_since(snapshot: Snapshot) -> int:
    """How many of the data set's scans were erased after it was frozen."""
    return erased_members(snapshot)


@register.inclusion_tag("parts/project_nav.html", takes_context=True)
def project_nav(context: dict[str, Any], project: Project, active: str) -> dict[str, Any]:
    groups = links_of(project, held=set(held(context["request"].user, project)), active=active)
    return {"project": project, "groups": groups}


@register.filter
def badge(value: object) -> SafeString:
    """A status as a coloured word; the word itself always says it, colour only helps."""
    text = str(value or "none")
    tone = next((name for name, words in (("good", GOOD), ("bad", BAD), ("care", CARE)) if text in words), "plain")
    return format_html('<span class="badge {}">{}</span>', tone, translated(text.replace("_", " ")))


@register.filter
def fact_lines(metadata: object) -> list[tuple[str, str]]:
    """What is known about a scan: titles and their values. Nothing for a scan without metadata."""
    known = facts.lines(metadata) if isinstance(metadata, Metadata) else {}
    return [(gettext(title), words) for title, words in known.items()]


@register.filter
def prediction_set(grade: Grade) -> prediction_sets.PredictionSet:
    """Which classes cannot be ruled out; `.sentence` says it to a doctor."""
    return prediction_sets.of(grade)


@register.filter
def is_sure(grade: Grade) -> bool:
    """Whether its confidence and its prediction set mean anything, and the reader may see them now."""
    return selectors.confidence_holds(grade) and not grade.covered


@dataclass(frozen=True)
class Told:
    """A reason in the reader's language."""

    code: str
    sentence: str
    remedy: str

    @classmethod
    def of(cls, reason: ReferReason) -> "Told":
        return cls(reason.value, gettext(reason.sentence), gettext(reason.remedy))


@register.filter
def refer_reasons(grade: Grade) -> list[Told]:
    """Why a scan was given back, in sentences for a doctor."""
    return [Told.of(reason) for reason in selectors.refer_reasons(grade)]


@register.filter
def percent(value: object) -> str:
    """0.8734 -> "87.3 %"; nothing measured -> "not available"."""
    return f"{value * 100:.1f} %" if isinstance(value, int | float) else gettext("not available")


@register.filter
def share(value: float) -> str:
    """0.8734 -> "87 %", where a figure is for orientation."""
    return share_words(value)


@register.filter
def number(value: object) -> str:
    """A figure with three decimals; nothing measured -> "not available"."""
    return f"{value:.3f}" if isinstance(value, float) else gettext("not available") if value is None else str(value)


@register.filter
def item(mapping: object, key: object) -> object:
    """`mapping[key]`, or None: templates cannot index by a variable."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.filter
def words(value: object) -> str:
    """test_split -> test split, in the reader's language where it is a word of ours."""
    return translated(str(value).replace("_", " ").replace(".", " · "))


@register.filter
def translated(value: object) -> str:
    """A word that the site knows (words/of_others.py) in the reader's language; any other stays as it is."""
    return gettext(str(value)) if value else ""


@register.simple_tag
def viewing(scan: Image, frame: int | None = None) -> str:
    """What the viewer needs to know of a scan, as JSON."""
    return looking.look_as_json(scan, frame or 0)


@register.simple_tag
def first_frame(scan: Image, frame: int | None = None) -> int:
    """The frame of a scan of several that is shown first, if none is asked for: one that counts, else the first. Else 0."""
    if frame or scan.frames_shown < 2:
        return frame or 0
    return next(iter(frames.looked_at(scan, scan.project).frames), 1)


@register.filter
def own_windows(user: Any) -> str:
    """The windows of the viewer that the person keeps, as JSON."""
    return looking.own_windows(user)


@register.simple_tag
def looked_at(scan: Image) -> frames.Looked:
    """Which frames of a scan of several count."""
    return frames.looked_at(scan, scan.project)
