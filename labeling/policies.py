"""Who sees which import, label, review and data set: whoever sees the project (and the scan) they belong to."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from images.models import Project, ProjectClass
from images.policies import require, visible_projects, visible_scans
from labeling.models import Export, Import, Label, ResumableUpload, Review, Snapshot
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User
from mediscan_site.core.policies import is_admin

__all__ = [
    "require",
    "require_class",
    "visible_exports",
    "visible_imports",
    "visible_labels",
    "visible_projects",
    "visible_reviews",
    "visible_scans",
    "visible_snapshots",
    "visible_uploads",
]


def visible_exports(user: User | AnonymousUser) -> QuerySet[Export]:
    return Export.objects.filter(project__in=visible_projects(user))


def visible_imports(user: User | AnonymousUser) -> QuerySet[Import]:
    return Import.objects.filter(project__in=visible_projects(user))


def visible_labels(user: User | AnonymousUser) -> QuerySet[Label]:
    return Label.objects.filter(image__erased_at__isnull=True, image__project__in=visible_projects(user))


def visible_reviews(user: User | AnonymousUser) -> QuerySet[Review]:
    return Review.objects.filter(image__erased_at__isnull=True, image__project__in=visible_projects(user))


def visible_snapshots(user: User | AnonymousUser) -> QuerySet[Snapshot]:
    return Snapshot.objects.filter(project__in=visible_projects(user))


def visible_uploads(user: User | AnonymousUser) -> QuerySet[ResumableUpload]:
    """Uploads under way: users see their own, administrators all."""
    uploads = ResumableUpload.objects.filter(project__in=visible_projects(user))
    return uploads if is_admin(user) else uploads.filter(created_by=user.pk)


def require_class(project: Project, label_class: ProjectClass, *, attr: str = "label") -> None:
    """Refuse a class of another project, and a retired one."""
    if label_class.project_id != project.pk:
        raise Invalid(f"'{label_class.name}' is a class of another project.", attr=attr, code="does_not_exist")
    if label_class.retired_at is not None:
        raise Invalid(
            f"The class '{label_class.name}' is retired. Choose another one.", attr=attr, code="retired_class"
        )
