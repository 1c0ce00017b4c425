"""Scans whose label a user is not to see yet. A later app knows which (it registers the rule); lists and pages show them as if
they had no label, and filters find them so."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from django.contrib.auth.models import AnonymousUser
from django.db.models import BooleanField, Exists, ExpressionWrapper, Model, OuterRef, Q, QuerySet
from django.db.models.query import ModelIterable

from images.models import ApprovalStatus, Image, LabelStatus, Project
from mediscan_site.core.models import User

# Called with the user and the path from a row to its scan ("" or "image__").
Rule = Callable[[User | AnonymousUser, str], Q]
# What a scan without a label has in these columns.
BARE = {
    "label_class": None,
    "annotator": None,
    "label_status": LabelStatus.UNLABELED,
    "approval_status": ApprovalStatus.PENDING,
}
T = TypeVar("T", bound=Model)
_rules: list[Rule] = []
_uses: list[Callable[[User | AnonymousUser], Q]] = []


def register(rule: Rule) -> Rule:
    """Have a later app say which scans are covered from a user. Used as a decorator."""
    _rules.append(rule)
    return rule


def register_use(use: Callable[[User | AnonymousUser], Q]) -> Callable[[User | AnonymousUser], Q]:
    """Have a later app say of which projects (a condition on their rows) a scan could be covered at all: lists and filters ask
    first, and stay as quick as without."""
    _uses.append(use)
    return use


def covered(user: User | AnonymousUser, path: str = "") -> Q:
    found = Q(pk__in=[])
    for rule in _rules:
        found |= rule(user, path)
    return found


def could_be(user: User | AnonymousUser) -> ExpressionWrapper[Q]:
    """Of a row of a project: whether any of its scans could be covered from this user."""
    found = Q(pk__in=[])
    for use in _uses:
        found |= use(user)
    return ExpressionWrapper(found, output_field=BooleanField())


def in_use(user: User | AnonymousUser) -> bool:
    """Whether anything could be covered from this user at all."""
    return Project.objects.filter(could_be(user)).exists()


def shown_with(user: User | AnonymousUser, *, used: bool, **columns: object) -> Q:
    """Scans that show these values to the user: what is covered shows those of a scan without a label. `used`: whether anything
    is (`in_use`), which a caller asks once."""
    said = Q(**columns)
    if not used:
        return said
    bare = all(name in BARE and BARE[name] == value for name, value in columns.items())
    return said | covered(user) if bare else said & ~covered(user)


class _Covered(ModelIterable[Image]):
    def __iter__(self) -> Iterator[Image]:
        for image in super().__iter__():
            if vars(image).pop("is_covered", False):
                _bare(image)
            yield image


class _CoveredImage(ModelIterable[Any]):
    def __iter__(self) -> Iterator[Any]:
        for row in super().__iter__():
            if vars(row).pop("is_covered", False):
                _bare(row.image)
            yield row


def _bare(image: Image) -> None:
    for name, value in BARE.items():
        setattr(image, name, value)


def _is_covered(user: User | AnonymousUser, scan: str) -> Exists:
    """A column that joins nothing to the rows: which rows are on a page is found without what the rules look at."""
    return Exists(Image.objects.filter(covered(user), pk=OuterRef(scan)))


def cover(scans: QuerySet[Image], user: User | AnonymousUser, *, used: bool = True) -> QuerySet[Image]:
    """The same scans, whose covered ones show no label. `used`: False where the caller knows that none of them could be."""
    if not used:
        return scans
    marked = scans.annotate(is_covered=_is_covered(user, "pk"))
    marked._iterable_class = _Covered
    return marked


def cover_image(rows: QuerySet[T], user: User | AnonymousUser) -> QuerySet[T]:
    """The same rows, loaded with their `image`, which shows no label where it is covered."""
    marked = rows.annotate(is_covered=_is_covered(user, "image"))
    marked._iterable_class = _CoveredImage
    return cast("QuerySet[T]", marked)
