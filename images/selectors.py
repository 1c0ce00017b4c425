"""Read queries for pages and API."""

from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, F, Prefetch, QuerySet

from images import policies
from images.models import (
    ApprovalStatus,
    Deidentification,
    Image,
    ImageTag,
    LabelStatus,
    Membership,
    Project,
    ProjectClass,
    ProjectUserObjectPermission,
    SavedFilter,
    Split,
    Tag,
)
from mediscan_site.core.models import User


def projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """The user's projects with their classes: two queries however many."""
    return policies.visible_projects(user).prefetch_related("class_rows")


def scans(user: User | AnonymousUser) -> QuerySet[Image]:
    """The user's scans with everything a list shows: two queries however many."""
    return _shown(policies.visible_scans(user))


def scans_of(project: Project) -> QuerySet[Image]:
    """The same of one project that the user was found to see."""
    return _shown(Image.objects.filter(project=project, erased_at__isnull=True))


def _shown(rows: QuerySet[Image]) -> QuerySet[Image]:
    tags = Prefetch("image_tags", ImageTag.objects.select_related("tag").order_by("pk"), to_attr="tag_rows")
    rows = rows.prefetch_related(tags)
    return rows.select_related("project", "label_class", "annotator", "uploaded_by", "released_by", "metadata")


def tags(project: Project) -> QuerySet[Tag]:
    """The tags of a project by name; `scans`: on how many scans each is."""
    return Tag.objects.filter(project=project).annotate(scans=Count("image_tags")).order_by("name_key")


def tag_names(image: Image) -> list[str]:
    """Of a scan as `scans` loads it, the tags in the order in which they came."""
    rows: list[ImageTag] = vars(image).get("tag_rows", [])
    return [row.tag.name for row in rows]


def saved_filters(user: User | AnonymousUser, page: str, project: Project | None) -> QuerySet[SavedFilter]:
    """A person's own filters of this list."""
    return SavedFilter.objects.filter(user=user.pk or 0, page=page, project=project).order_by("slot")


def study_scans(user: User | AnonymousUser, image: Image) -> QuerySet[Image]:
    """The scans of the study of this one, in the order in which they were taken: by series, by place in it, by frame."""
    found = scans(user).filter(project=image.project_id, study=image.study, erased_at__isnull=True)
    places = [F(name).asc(nulls_last=True) for name in ("series_number", "series", "instance_number", "frame")]
    return (found if image.study else found.filter(pk=image.pk)).order_by(*places, "pk")


def study_patients(image: Image) -> list[str]:
    """The patients under which scans of its study are kept: more than one is a mistake (PS3.3 7.3.1)."""
    found = Image.objects.filter(project=image.project_id, study=image.study or "", erased_at__isnull=True)
    return sorted({str(patient) for patient in found.exclude(patient=None).values_list("patient", flat=True)})


def deidentifications() -> QuerySet[Deidentification]:
    return Deidentification.objects.select_related("image")


def members(project: Project) -> QuerySet[Membership]:
    return Membership.objects.filter(project=project).select_related("user", "added_by").order_by("added_at", "id")


def member_permissions(project: Project, users: Iterable[int]) -> dict[int, list[str]]:
    """Codenames per user id, in the order of the policy."""
    granted: dict[int, set[str]] = {}
    rows = ProjectUserObjectPermission.objects.filter(content_object=project, user__in=list(users))
    for user_id, codename in rows.values_list("user_id", "permission__codename"):
        granted.setdefault(user_id, set()).add(codename)
    return {user: [name for name in policies.PERMISSIONS if name in names] for user, names in granted.items()}


def _counts(scans: QuerySet[Image], column: str, values: Iterable[str]) -> dict[str, int]:
    """How many scans have each of the values of a column; every value is named, also with 0."""
    numbers = dict(scans.order_by().values_list(column).annotate(number=Count("pk")))
    return {value: numbers.get(value, 0) for value in values}


def project_stats(project: Project) -> dict[str, object]:
    """Numbers of scans by state, class (reference label) and split. Erased scans do not count."""
    scans = Image.objects.filter(project=project, erased_at__isnull=True)
    by_split = dict(scans.order_by().values_list("split").annotate(number=Count("pk")))
    by_class = dict(scans.order_by().values_list("label_class").annotate(number=Count("pk")))
    classes = ProjectClass.objects.filter(project=project)
    label_status = _counts(scans, "label_status", LabelStatus.values)
    labeled_with_class = sum(number for key, number in by_class.items() if key is not None)
    return {
        "total": sum(label_status.values()),
        "label_status": label_status,
        "approval_status": _counts(scans, "approval_status", ApprovalStatus.values),
        "classes": {row.name: by_class.get(row.pk, 0) for row in classes},
        "ungradable": label_status[LabelStatus.LABELED] - labeled_with_class,
        "held": scans.exclude(hold="").count(),
        "splits": {**{name: by_split.get(name, 0) for name in Split.values}, "none": by_split.get(None, 0)},
    }
