"""Several readers of one scan: each reads it by themselves. When as many have read as the project wants and all say the same, that
is the approved label; when not, an adjudicator settles it.

A read is counted, and the last one makes the label, while the scan's row is held (`change.hold`); that nobody reads twice and that
there are never more reads than wanted the database refuses as well."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Count, F, Q
from django.utils import timezone

from images.models import ApprovalStatus, Image, LabelStatus, ProjectClass
from labeling.models import Label, Lease, Read, Review
from labeling.policies import require, require_class
from labeling.reading import again
from labeling.reading.change import Current, Lost, change, hold, step, write
from labeling.reading.rows import LabelOutcome, mark_taken_back, record_label, row, said_same
from labeling.reading.said_by import recount
from labeling.reading.states import Action, State, next_state
from mediscan_site.core import audit, text, tidy
from mediscan_site.core.errors import Conflict, DomainError, Invalid
from mediscan_site.core.http.context import token_maker
from mediscan_site.core.models import User

MAX_REASON = 200
# A key pressed by mistake is noticed at once.
SLIP = timedelta(minutes=2)
OVER = "All have read this scan, and you could see what they said: your read can no longer be taken back."
# How many readings are finished in one go that only wait because the project wants fewer readers than before.
AT_MOST = 10_000


def take(current: Current, actor: User, values: dict[str, Any]) -> LabelOutcome | None:
    """What a doctor said as a read of their own; None where it is simply the scan's label."""
    if (known := again.take(current, actor, values)) is not None:
        return known
    if current.image.project.reads_wanted == 1 or not _is_open(current):
        return None
    hold(current)
    reads = open_reads(current.image)
    mine = next((read for read in reads if read.reader_id == actor.pk), None)
    _refuse(current, actor, reads, mine)
    if mine is not None and mine.label is not None and said_same(mine.label, values):
        return LabelOutcome(current.image, mine.label, changed=False)
    return _read(current, actor, values, reads, mine)


def _is_open(current: Current) -> bool:
    return current.label is None or current.state.approval == ApprovalStatus.REJECTED


def open_reads(image: Image) -> list[Read]:
    """The reads that stand while the scan wants readers, or an adjudicator, in the order of their seats."""
    rows = Read.objects.filter(image=image, active=True).select_related("label__label_class", "reader")
    return list(rows.order_by("seat"))


def people(reads: Sequence[Read]) -> set[int]:
    """Who read, and who made the service tokens that read."""
    said = {read.label.through_id for read in reads if read.label is not None and read.label.through_id}
    return {read.reader_id for read in reads} | said


def _refuse(current: Current, actor: User, reads: Sequence[Read], mine: Read | None) -> None:
    if len(reads) >= current.image.project.reads_wanted:
        raise Conflict("This scan has all the reads it needs. Take the next one.", code="reads_complete")
    others = [read for read in reads if read is not mine]
    if not people(others).isdisjoint({actor.pk, token_maker()} - {None}):
        raise Conflict(
            "You, or the service token that you made or use, have read this scan: another person has to.",
            code="already_read",
        )


def _read(current: Current, actor: User, values: dict[str, Any], reads: list[Read], mine: Read | None) -> LabelOutcome:
    image = current.image
    label = row(image, actor, round=_round(image, reads), **values)
    label.save(force_insert=True)
    Lease.objects.filter(image=image, task=Lease.Task.LABEL, holder=actor).delete()
    if mine is not None:
        Read.objects.filter(pk=mine.pk).update(active=None, kind=Read.Kind.REPLACED)
        reads.remove(mine)
    record_label(image, actor, label)
    reads.append(_seated(image, actor, label, {read.seat for read in reads}))
    if not settle(current, actor, reads):
        recount(image)
    return LabelOutcome(image, label, changed=True)


def _round(image: Image, reads: Sequence[Read]) -> int:
    """All reads of one reading are of one round."""
    if reads and reads[0].label is not None:
        return reads[0].label.round
    last = Label.objects.filter(image=image).order_by("-id").first()
    return last.round + 1 if last else 1


def _seated(image: Image, actor: User, label: Label, taken: set[int | None]) -> Read:
    seat = next(number for number in range(len(taken) + 1) if number not in taken)
    own = {"image": image, "reader": actor, "kind": Read.Kind.INDEPENDENT, "label": label}
    try:
        return Read.objects.create(**own, active=True, seat=seat)
    except IntegrityError:
        raise Lost from None


def settle(current: Current, actor: User, reads: Sequence[Read]) -> bool:
    """Make the label of a scan that is read to the end: where all agree. One reader alone is reviewed as ever. False where there
    is none yet."""
    said = [read.label for read in reads if read.label is not None]
    if len(said) < current.image.project.reads_wanted or not _agree(said):
        return False
    label = said[-1]
    action = Action.AGREE if len(said) > 1 else Action.LABEL_NEW
    write(current, step(current, action, actor=actor), label=label)
    _close(reads, label)
    details = {"label": label.pk, "reads": [read.label_id for read in reads]}
    audit.record("reads.agree", actor=actor, obj=current.image, project=current.image.project_id, details=details)
    return True


def _agree(said: Sequence[Label]) -> bool:
    """All name one class, which is still offered, or all find the scan ungradable, for whatever reasons."""
    if len({label.label_class_id for label in said}) != 1:
        return False
    return said[0].label_class is None or said[0].label_class.retired_at is None


def _close(reads: Sequence[Read], label: Label) -> None:
    Read.objects.filter(pk__in=[read.pk for read in reads]).update(active=None, against=label)


def _taken_back(read: Read) -> None:
    Read.objects.filter(pk=read.pk).update(active=None)
    mark_taken_back(read.label_id)


def withdraw(current: Current, actor: User) -> LabelOutcome | None:
    """The actor's own read is taken back, and the scan wants a reader more; None where there is none to take back."""
    if (known := again.withdraw(current, actor)) is not None:
        return known
    if not _is_open(current) or not Read.objects.filter(image=current.image, reader=actor, active=True).exists():
        return None
    hold(current)
    reads = open_reads(current.image)
    mine = next((read for read in reads if read.reader_id == actor.pk), None)
    if mine is None:
        return None
    if len(reads) >= current.image.project.reads_wanted:
        raise Conflict(OVER, code="reads_complete")
    _taken_back(mine)
    recount(current.image)
    details = {"label": mine.label_id}
    audit.record("reads.withdraw", actor=actor, obj=current.image, project=current.image.project_id, details=details)
    return LabelOutcome(current.image, None, changed=True)


def take_back(current: Current, actor: User, label: Label) -> None:
    """Undo of one read of several. When it was the last one, and so completed the reading, only right away: later the reader has
    seen what the others said."""
    hold(current)
    read = Read.objects.filter(label=label, reader=actor, kind=Read.Kind.INDEPENDENT).first()
    slip = label.annotation_date > timezone.now() - SLIP
    complete = len(open_reads(current.image)) >= current.image.project.reads_wanted
    if read is not None and read.active and (slip or not complete):
        _taken_back(read)
        recount(current.image)
    elif read is not None and slip and read.against_id == label.pk and current.label == label:
        _reopen(current, read, label)
    else:
        raise Conflict(OVER, code="changed_since")


def _reopen(current: Current, read: Read, label: Label) -> None:
    """The agreement that this read completed is none: the others' reads stand open again, and so does a rejection before them."""
    rejected = Review.objects.filter(image=current.image, status=Review.Status.REJECTED, label__round__lt=label.round)
    before = rejected.select_related("label__label_class", "label__reader").order_by("-pk").first()
    Read.objects.filter(against=label, kind=Read.Kind.INDEPENDENT).update(active=True, against=None)
    _taken_back(read)
    if before is None:
        write(current, State(LabelStatus.UNLABELED, ApprovalStatus.PENDING), label=None)
    else:
        write(current, State(LabelStatus.LABELED, ApprovalStatus.REJECTED), label=before.label)


def adjudicate(
    *,
    actor: User,
    image: Image,
    reason: str,
    label_class: ProjectClass | None = None,
    ungradable: str = "",
    expected_version: int | None = None,
) -> Label:
    """Settle a scan whose readers disagree: a class, or why nobody can tell; and the reason, which is kept. It is approved.

    Raises FourEyes for one of its readers, Conflict `nothing_to_adjudicate`, Stale, Invalid."""
    require(actor, "review_label", image.project)
    why = text.line(ungradable, attr="ungradable", max_length=MAX_REASON)
    remark = text.paragraphs(reason, attr="reason")
    if not remark:
        raise Invalid("Say why: readers learn from it.", attr="reason", code="required")
    if (label_class is None) == (not why):
        raise Invalid("Name either a class or the reason why the scan is ungradable.", attr="label")
    if label_class is not None:
        require_class(image.project, label_class)
    said = {"label_class": label_class, "ungradable_reason": why, "comment": remark}
    return change(image, expected_version=expected_version, decide=lambda current: _adjudicated(current, actor, said))


def _adjudicated(current: Current, actor: User, said: dict[str, Any]) -> Label:
    hold(current)
    image, reads = current.image, open_reads(current.image)
    own = image.project.four_eyes and not people(reads).isdisjoint({actor.pk, token_maker()} - {None})
    state = next_state(Action.ADJUDICATE, current.state, own=own)
    if not reads or len(reads) < image.project.reads_wanted:
        raise Conflict("This scan still wants readers. Wait until all have read it.", code="nothing_to_adjudicate")
    label = row(image, actor, round=_round(image, reads), reader=actor, source=Label.Source.ADJUDICATION, **said)
    write(current, state, label=label)
    _close(reads, label)
    record_label(image, actor, label)
    details = {"label": label.pk, "reads": [read.label_id for read in reads]}
    audit.record("reads.adjudicate", actor=actor, obj=image, project=image.project_id, details=details)
    return label


def settle_agreed(scans: Collection[int] | None = None) -> int:
    """Readings, of these scans or of all, that are complete, and agree, only since their project wants fewer readers. Returns how
    many became labels."""
    rows = Read.objects.filter(active=True, image__erased_at__isnull=True, image__hold="")
    if scans is not None:
        rows = rows.filter(image__in=scans)
    unlike = Q(label__label_class__isnull=True), Q(label__label_class__retired_at__isnull=False)
    counted = rows.values("image").annotate(
        reads=Count("pk"),
        classes=Count("label__label_class", distinct=True),
        ungradable=Count("pk", filter=unlike[0]),
        retired=Count("pk", filter=unlike[1]),
    )
    complete = counted.filter(reads__gte=F("image__project__reads_wanted"), retired=0)
    alike = complete.filter(Q(classes=1, ungradable=0) | Q(classes=0)).order_by("image")
    keys = list(alike.values_list("image", flat=True)[:AT_MOST])
    return sum(_settled(image) for image in Image.objects.filter(pk__in=keys))


def _settled(image: Image) -> bool:
    def decide(current: Current) -> bool:
        hold(current)
        reads = open_reads(current.image)
        if not reads or not _is_open(current):
            return False
        settle(current, reads[-1].reader, reads)
        return not Read.objects.filter(pk=reads[0].pk, active=True).exists()

    try:
        return change(image, expected_version=None, decide=decide)
    except DomainError:
        # Erased or changed meanwhile: whoever did that has decided.
        return False


@tidy.register
def settle_all() -> None:
    settle_agreed()
