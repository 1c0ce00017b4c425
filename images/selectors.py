"""Read queries for pages and API."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, F, Prefetch, Q, QuerySet, Value, When
from django.shortcuts import get_object_or_404

from images import covering, policies
from images.counts import ScanNumber, on_scans, scan_numbers
from images.models import (
    ApprovalStatus,
    Deidentification,
    GuideExample,
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
from mediscan_site.core.policies import is_admin

# Of the scans beside one so many are put in order; and of the patients of a study so many are named.
MOST_BESIDE = 1_000
PATIENTS_NAMED = 20


def to_compare() -> QuerySet[Image]:
    """Scans of all projects that wait to be compared with the others of theirs."""
    return Image.objects.filter(compared_at__isnull=True, erased_at__isnull=True).exclude(phash="")


def anything_to_compare() -> bool:
    return to_compare().exists()


def projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """The user's projects with their classes: two queries however many."""
    return policies.visible_projects(user).prefetch_related("class_rows")


def project_or_404(user: User | AnonymousUser, pk: int) -> Project:
    """The project of an address. Http404 where it does not exist for this user."""
    return get_object_or_404(policies.visible_projects(user), pk=pk)


def scans(user: User | AnonymousUser) -> QuerySet[Image]:
    """The user's scans with everything a list shows: two queries however many. What is covered from the user shows no label."""
    if is_admin(user):
        return _shown(policies.visible_scans(user), user)
    # With their keys comes whether anything could be covered: the condition that finds it costs more than the rest of a list.
    found = policies.visible_projects(user).annotate(could_be=covering.could_be(user))
    projects = dict(found.values_list("pk", "could_be"))
    rows = Image.objects.filter(policies.in_projects(list(projects)), erased_at__isnull=True)
    return _shown(rows, user, used=any(projects.values()))


def scans_of(project: Project, user: User | AnonymousUser) -> QuerySet[Image]:
    """The same of one project that the user was found to see."""
    return _shown(Image.objects.filter(project=project, erased_at__isnull=True), user)


def _shown(rows: QuerySet[Image], user: User | AnonymousUser, *, used: bool = True) -> QuerySet[Image]:
    tags = Prefetch("image_tags", ImageTag.objects.select_related("tag").order_by("pk"), to_attr="tag_rows")
    rows = rows.select_related("project", "label_class", "annotator", "uploaded_by", "released_by", "metadata")
    return covering.cover(rows, user, used=used).prefetch_related(tags)


def listed(rows: QuerySet[Image]) -> QuerySet[Image]:
    """The same scans with no more than a list in the API shows of them: of people their names, and nothing of the project."""
    people = ("annotator", "uploaded_by", "released_by")
    unseen = [field.name for field in User._meta.concrete_fields if field.name not in ("id", "username")]
    rows = rows.select_related(None).select_related("label_class", "metadata", *people)
    return rows.defer(*(f"{person}__{name}" for person in people for name in unseen))


def tags(project: Project) -> QuerySet[Tag]:
    """The tags of a project by name; `scans`: on how many scans each is."""
    return Tag.objects.filter(project=project).annotate(scans=on_scans()).order_by("name_key")


def tag_names(image: Image) -> list[str]:
    """Of a scan as `scans` loads it, the tags in the order in which they came."""
    rows: list[ImageTag] = vars(image).get("tag_rows", [])
    return [row.tag.name for row in rows]


def saved_filters(user: User | AnonymousUser, page: str, project: Project | None) -> QuerySet[SavedFilter]:
    """A person's own filters of this list, and those that others share in its project."""
    rows = SavedFilter.objects.filter(Q(user=user.pk or 0) | Q(shared=True), page=page, project=project)
    return rows.select_related("user").order_by("slot", "pk")


def reachable_filters(user: User | AnonymousUser) -> QuerySet[SavedFilter]:
    """A person's own, and those that others share in projects they see."""
    shared = Q(shared=True, project__in=policies.visible_projects(user))
    return SavedFilter.objects.filter(shared | Q(user=user.pk or 0)).select_related("project")


def study_scans(user: User | AnonymousUser, image: Image) -> QuerySet[Image]:
    """The scans of the study of this one, in the order in which they were taken: by series, by place in it, by frame."""
    found = scans(user).filter(project=image.project_id, study=image.study, erased_at__isnull=True)
    places = [F(name).asc(nulls_last=True) for name in ("series_number", "series", "instance_number", "frame")]
    return (found if image.study else found.filter(pk=image.pk)).order_by(*places, "pk")


def scans_beside(user: User | AnonymousUser, image: Image) -> QuerySet[Image]:
    """The scans of the same patient, and of the same study where no patient is known, but this one: those of its study first, then
    the newest."""
    found = scans(user).filter(project=image.project_id, erased_at__isnull=True).exclude(pk=image.pk)
    of_patient, of_study = Q(patient=image.patient or ""), Q(study=image.study or "")
    same = Case(When(of_study, then=Value(0)), default=Value(1))
    # Not `|`: an OR over two columns would look at every scan of the project.
    rows = found.filter(of_patient if image.patient else of_study) if image.patient or image.study else found.none()
    # One pseudonym may stand for very many scans: the newest of them are put in order.
    newest = rows.select_related(None).prefetch_related(None).order_by("-pk").values_list("pk", flat=True)
    rows = found.filter(pk__in=list(newest[:MOST_BESIDE]))
    return rows.order_by(same, F("metadata__capture_date").desc(nulls_last=True), "-pk")


def study_patients(image: Image) -> list[str]:
    """The patients under which scans of its study are kept: more than one is a mistake (PS3.3 7.3.1)."""
    found = Image.objects.filter(project=image.project_id, study=image.study or "", erased_at__isnull=True)
    patients = found.exclude(patient=None).order_by().values_list("patient", flat=True).distinct()
    return sorted(map(str, patients[:PATIENTS_NAMED]))


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


def members_with_rights(project: Project) -> list[tuple[Membership, list[str]]]:
    """Everybody in the project with what they may do: two queries however many."""
    rows = list(members(project))
    held = member_permissions(project, [row.user_id for row in rows])
    return [(row, held.get(row.user_id, [])) for row in rows]


def project_stats(project: Project, rows: Sequence[ScanNumber] | None = None) -> dict[str, object]:
    """Numbers of scans by state, class (reference label) and split. Erased scans do not count. `rows`: what was counted before."""
    scans = scan_numbers([project.pk])[project.pk] if rows is None else rows
    by_class, by_split = _sums(scans, "label_class"), _sums(scans, "split")
    label_status = _named(_sums(scans, "label_status"), LabelStatus.values)
    return {
        "total": sum(label_status.values()),
        "label_status": label_status,
        "approval_status": _named(_sums(scans, "approval_status"), ApprovalStatus.values),
        "classes": {row.name: by_class[row.pk] for row in ProjectClass.objects.filter(project=project)},
        "ungradable": sum(
            row.number for row in scans if not row.label_class and row.label_status == LabelStatus.LABELED
        ),
        "held": sum(row.number for row in scans if row.hold),
        "splits": {**_named(by_split, Split.values), "none": by_split[""]},
    }


def _sums(rows: Sequence[ScanNumber], column: str) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for row in rows:
        sums[getattr(row, column)] += row.number
    return sums


def _named(sums: Counter[Any], values: Iterable[str]) -> dict[str, int]:
    """Every value is named, also with 0."""
    return {value: sums[value] for value in values}


def guide_examples(user: User | AnonymousUser, project: Project) -> QuerySet[GuideExample]:
    """The scans that the project's guide shows, by class; not those whose class is covered from this user."""
    seen = policies.visible_scans(user).filter(project=project.pk).exclude(covering.covered(user))
    rows = GuideExample.objects.filter(project=project, image__in=seen, label_class__retired_at__isnull=True)
    return rows.select_related("project", "image", "label_class", "added_by")


def guide_chapters(user: User | AnonymousUser, project: Project) -> list[tuple[ProjectClass, list[GuideExample]]]:
    """Each class in use with its examples: two queries however many."""
    classes = ProjectClass.objects.filter(project=project, retired_at__isnull=True)
    shown: dict[int, list[GuideExample]] = {}
    for example in guide_examples(user, project):
        shown.setdefault(example.label_class_id, []).append(example)
    return [(row, shown.get(row.pk, [])) for row in classes]
