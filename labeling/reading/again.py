"""Reads that only measure a reader, unannounced: a scan they have read is given again, and gold scans. Desk and
API show such a scan like any other; what is said of it changes no label."""

import math
import random
from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from images.models import ApprovalStatus, Image, Project
from images.policies import can
from labeling.models import GoldScan, Label, Lease, Read
from labeling.policies import HELD, HIDDEN, gold_unread
from labeling.reading.change import Current, hold
from labeling.reading.rows import LabelOutcome, mark_taken_back, record_label, row, said_same
from mediscan_site.core import audit, tidy
from mediscan_site.core.merging import newest
from mediscan_site.core.models import User

# So many other scans lie between a read and its repetition, at least.
OTHERS_BETWEEN = 20
# Of the scans before those, how many back one is drawn from.
REACH = 500
# One scan of ten is a gold one, while there are some that the reader has not read.
GOLD_SHARE = 0.1
T = TypeVar("T")
_chance = random.SystemRandom()


def chance() -> bool:
    """Whether what is due comes now: nobody is to count on every twentieth."""
    return _chance.random() < 0.5


def take(current: Current, actor: User, values: dict[str, Any]) -> LabelOutcome | None:
    """What is said of a scan that was handed out again, or of a gold scan by somebody who has not read it; else None."""
    image = current.image
    if not recent(actor).filter(image=image).exists() and not _is_gold(current, actor):
        return None
    # From here on one at a time: a double click must not become the label.
    hold(current)
    read = recent(actor).filter(image=image).select_related("label").order_by("-pk").first()
    read = read or Read(image=image, reader=actor, kind=Read.Kind.GOLD)
    if read.label is not None and said_same(read.label, values):
        return LabelOutcome(image, read.label, changed=False)
    return _said(current, actor, values, read)


def _is_gold(current: Current, actor: User) -> bool:
    """A gold scan whose label this reader does not see. Who manages the project sees it, and changes it like any label."""
    if current.state.approval != ApprovalStatus.APPROVED or not gold_unread(actor).filter(image=current.image).exists():
        return False
    return not can(actor, "manage_project", current.image.project)


def _said(current: Current, actor: User, values: dict[str, Any], read: Read) -> LabelOutcome:
    image = current.image
    last = current.label or Label.objects.filter(image=image).order_by("-id").first()
    label = row(image, actor, round=last.round if last else 1, **values)
    label.save(force_insert=True)
    if read.label is not None:
        Read.objects.filter(pk=read.pk).update(kind=Read.Kind.REPLACED)
        read = Read(image=image, reader=actor, kind=read.kind, against=read.against, created_at=read.created_at)
    read.label, read.waiting = label, None
    if read.kind == Read.Kind.GOLD:
        read.against = current.label
    read.save()
    Lease.objects.filter(image=image, task=Lease.Task.LABEL, holder=actor).delete()
    record_label(image, actor, label)
    return LabelOutcome(image, label, changed=True)


def withdraw(current: Current, actor: User) -> LabelOutcome | None:
    """What the actor said of a scan that only measures them is taken back, never the label that it has and they do not see;
    None for any other scan."""
    image = current.image
    read = recent(actor).filter(image=image).order_by("-pk").first()
    if read is None and not _is_gold(current, actor):
        return None
    if read is None or read.label_id is None:
        return LabelOutcome(image, None, changed=False)
    hold(current)
    give_again(read)
    action = "label.withdraw" if image.project.reads_wanted == 1 else "reads.withdraw"
    audit.record(action, actor=actor, obj=image, project=image.project_id, details={"label": read.label_id})
    return LabelOutcome(image, None, changed=True)


def give_again(read: Read) -> None:
    """What was said of it is taken back: it waits once more, and the reader cannot tell it from any other scan. It was handed out
    when it was: what they said since stays in the history that they see, as of any scan (`policies.visible_labels`)."""
    Read.objects.filter(pk=read.pk).update(kind=Read.Kind.REPLACED)
    mark_taken_back(read.label_id)
    against = read.against if read.kind == Read.Kind.REPEAT else None
    about = {"kind": read.kind, "against": against, "created_at": read.created_at}
    Read.objects.create(image_id=read.image_id, reader_id=read.reader_id, waiting=True, **about)


def recent(user: User) -> QuerySet[Read]:
    """What this user was given only to be measured by, as long as they may say something of it."""
    return Read.objects.filter(reader=user, kind__in=HIDDEN, created_at__gt=timezone.now() - HELD)


def handed_out(user: User | AnonymousUser) -> QuerySet[Read]:
    """What waits for this user to be read once more, or as a gold scan."""
    return Read.objects.filter(reader=user.pk or 0, waiting=True, created_at__gt=timezone.now() - HELD)


def lapsed(user: User, project: Project) -> list[int]:
    """Scans that were handed out and are no longer on the desk: they come first, or nobody would ever be done."""
    free = handed_out(user).filter(project=project, image__erased_at__isnull=True, image__hold="")
    live = Lease.objects.filter(holder=user, task=Lease.Task.LABEL, expires_at__gt=timezone.now())
    return list(free.exclude(image__in=live.values("image")).values_list("image", flat=True))


def hand_out(user: User, project: Project) -> list[int]:
    """At most one scan that is due to be read again, or as a gold scan. Comes with other scans only, so that nobody can tell."""
    gold = GoldScan.objects.filter(project=project).exists()
    if not (project.repeats_share or gold):
        return []
    share = min(project.repeats_share or GOLD_SHARE, GOLD_SHARE)
    said = newest(Label.objects.all(), reader=user.pk, project=project.pk, source=Label.Source.DOCTOR.value)
    latest = list(said.values_list("pk", flat=True)[: OTHERS_BETWEEN + REACH + math.ceil(1 / share)])
    own = Label.objects.filter(pk__in=latest).order_by("-pk")
    own = own.filter(Q(read__isnull=True) | Q(read__kind=Read.Kind.INDEPENDENT)).exclude(taken_back=True)
    pick = _due_repeat(user, project, own) if project.repeats_share else None
    if pick is None and gold:
        pick = _due_gold(user, project, own)
    if pick is None or not chance():
        return []
    try:
        with transaction.atomic():
            pick.waiting = True
            pick.save(force_insert=True)
    except IntegrityError:
        return []
    return [pick.image_id]


def _due_repeat(user: User, project: Project, own: QuerySet[Label]) -> Read | None:
    given = Read.objects.filter(reader=user, kind=Read.Kind.REPEAT, project=project)
    if not _is_due(own, given, project.repeats_share):
        return None
    latest = own.values_list("pk", "image")
    newer = {image for _, image in latest[:OTHERS_BETWEEN]}
    lying = {pk: image for pk, image in latest[OTHERS_BETWEEN : OTHERS_BETWEEN + REACH] if image not in newer}
    before = set(given.filter(image__in=lying.values()).values_list("image", flat=True))
    rows = Label.objects.filter(pk__in=[pk for pk, image in lying.items() if image not in before])
    label = _one_of(list(rows.filter(image__erased_at__isnull=True, image__hold="").order_by("pk")))
    return Read(image_id=label.image_id, reader=user, kind=Read.Kind.REPEAT, against=label) if label else None


def _due_gold(user: User, project: Project, own: QuerySet[Label]) -> Read | None:
    given = Read.objects.filter(reader=user, kind=Read.Kind.GOLD, project=project)
    if not _is_due(own, given, GOLD_SHARE) or can(user, "manage_project", project):
        return None
    gold = gold_unread(user).filter(project=project, image__hold="")
    gold = gold.exclude(Exists(given.filter(image=OuterRef("image"))))
    scan = _one_of(list(gold.order_by("pk")[:REACH]))
    return Read(image_id=scan.pk, reader=user, kind=Read.Kind.GOLD) if scan else None


def _is_due(own: QuerySet[Label], given: QuerySet[Read], share: float) -> bool:
    """Whether as many labels as the share wants lie behind the last one that was given: no more of them are looked at."""
    wanted = math.ceil(1 / share - 1e-9)
    past = next(iter(own.values_list("annotation_date", flat=True)[wanted - 1 : wanted]), None)
    last = given.order_by("-pk").values_list("created_at", flat=True).first()
    return past is not None and (last is None or past > last)


def _one_of(rows: Sequence[T]) -> T | None:
    return _chance.choice(rows) if rows else None


@tidy.register
def forget_unread() -> None:
    """What was handed out and not read in time."""
    Read.objects.filter(waiting=True, created_at__lte=timezone.now() - HELD).delete()


def forget(image: Image) -> None:
    """The scan is erased: nobody is given it again."""
    Read.objects.filter(image=image, waiting=True).delete()
    GoldScan.objects.filter(image=image).delete()
