"""Who sees which import, label, review and data set: whoever sees the project (and the scan) they belong to. But for what
others say of a scan: that stays covered from whoever may still have to say something of it themselves (`covered`)."""

from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import LessThan
from django.utils import timezone

from images import covering
from images.models import ApprovalStatus, Image, LabelStatus, Project, ProjectClass
from images.policies import allowing, in_visible_projects, of_kept_scan, require, visible_projects, visible_scans
from labeling.models import Export, GoldScan, Import, Label, Read, ResumableUpload, Review, Snapshot
from mediscan_site.core.database import there_is
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User
from mediscan_site.core.policies import is_admin

__all__ = [
    "covered",
    "covered_scan",
    "open_to_reading",
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

# What only measures a reader: a scan they have read is given again, or one whose label is known. Looks like any other scan for
# so long, on the desk and on the way back to it; what the reader says of it later is said of its label.
HIDDEN = (Read.Kind.REPEAT, Read.Kind.GOLD)
HELD = timedelta(days=1)


def visible_exports(user: User | AnonymousUser) -> QuerySet[Export]:
    return Export.objects.filter(in_visible_projects(user))


def visible_imports(user: User | AnonymousUser) -> QuerySet[Import]:
    return Import.objects.filter(in_visible_projects(user))


def visible_labels(user: User | AnonymousUser) -> QuerySet[Label]:
    # Of a scan that is given again not even what the reader said before: it would tell that it is one.
    later = Q(created_at__gt=timezone.now() - HELD) & Q(created_at__gt=OuterRef("annotation_date"))
    given = Read.objects.filter(later, image=OuterRef("image"), reader=user.pk or 0, kind__in=HIDDEN)
    own = Q(reader=user.pk) & ~there_is(given)
    return Label.objects.filter(in_visible_projects(user), of_kept_scan(), own | ~covered_scan(user))


def visible_reviews(user: User | AnonymousUser) -> QuerySet[Review]:
    return Review.objects.filter(in_visible_projects(user), of_kept_scan(), Q(reviewer=user.pk) | ~covered_scan(user))


def open_to_reading(path: str = "") -> Q:
    """Scans that want a label: they have none, or the one they have was rejected. `path`: from the row to its scan."""
    unlabelled = Q(**{f"{path}label_status": LabelStatus.UNLABELED})
    return unlabelled | Q(**{f"{path}approval_status": ApprovalStatus.REJECTED})


def covered(user: User | AnonymousUser, path: str = "") -> Q:
    """The scans of which this user does not see what others said (nor the scan's label, which then looks as if there were none):
    those that still want readers in a project of several, gold scans that they have not read, and for a day what they were given
    only to be measured by. Administrators, and who manages the project, see the first two."""
    held = Q(**{f"{path}pk__in": hidden_reads(user).values("image")})
    if is_admin(user) or not user.is_authenticated:
        return held
    wanting = open_to_reading(path) & Q(**{f"{path}project__reads_wanted__gt": 1})
    # By each row, not as a list of keys, which a page of scans would make anew.
    open_reads = Read.objects.filter(image=OuterRef(f"{path}pk"), active=True).order_by()
    number = open_reads.annotate(number=Func(F("pk"), function="COUNT")).values("number")
    wanting &= Q(LessThan(Subquery(number, output_field=IntegerField()), F(f"{path}project__reads_wanted")))
    gold = Q(**{f"{path}pk__in": gold_unread(user).values("image")})
    managed = allowing(user, "manage_project", Project.objects.all()).values("pk")
    return held | ((wanting | gold) & ~Q(**{f"{path}project__in": managed}))


def hidden_reads(user: User | AnonymousUser) -> QuerySet[Read]:
    """What this user was given within a day only to be measured by."""
    return Read.objects.filter(reader=user.pk or 0, kind__in=HIDDEN, created_at__gt=timezone.now() - HELD)


def covered_scan(user: User | AnonymousUser, path: str = "image") -> Q:
    """The same of the scan to which `path` leads from a row, asked of each row: nothing is joined with the rows of a page."""
    return there_is(Image.objects.filter(covered(user), pk=OuterRef(path)))


def gold_unread(user: User) -> QuerySet[GoldScan]:
    """Gold scans of which this user has said nothing yet, neither as reader nor as reviewer."""
    own = Label.objects.filter(image=OuterRef("pk"), reader=user)
    decided = Review.objects.filter(image=OuterRef("pk"), reviewer=user)
    gone = Q(erased_at__isnull=False) | ~Q(approval_status=ApprovalStatus.APPROVED)
    fallen = Image.objects.filter(gone, pk=OuterRef("image"))
    return GoldScan.objects.filter(~there_is(fallen), ~there_is(own), ~there_is(decided))


@covering.register
def covers(user: User | AnonymousUser, path: str) -> Q:
    return covered(user, path)


@covering.register_use
def could_be_covered(user: User | AnonymousUser) -> Q:
    """The projects that have what `covered` looks at."""
    gold = GoldScan.objects.filter(project=OuterRef("pk"))
    given = hidden_reads(user).filter(project=OuterRef("pk"))
    return Q(reads_wanted__gt=1) | Q(repeats_share__gt=0) | Q(Exists(gold)) | Q(Exists(given))


def visible_snapshots(user: User | AnonymousUser) -> QuerySet[Snapshot]:
    return Snapshot.objects.filter(in_visible_projects(user))


def visible_uploads(user: User | AnonymousUser) -> QuerySet[ResumableUpload]:
    """Uploads under way: users see their own, administrators all."""
    uploads = ResumableUpload.objects.filter(in_visible_projects(user))
    return uploads if is_admin(user) else uploads.filter(created_by=user.pk)


def require_class(project: Project, label_class: ProjectClass, *, attr: str = "label") -> None:
    """Refuse a class of another project, and a retired one."""
    if label_class.project_id != project.pk:
        raise Invalid(f"'{label_class.name}' is a class of another project.", attr=attr, code="does_not_exist")
    if label_class.retired_at is not None:
        raise Invalid(
            f"The class '{label_class.name}' is retired. Choose another one.", attr=attr, code="retired_class"
        )
