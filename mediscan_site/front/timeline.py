"""What happened to one scan, oldest first, told from the append-only rows themselves: on pages in the reader's language, in the
API in English."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from images.models import Image
from labeling.models import ImportFile, Label, Review, SnapshotMember
from labeling.policies import covered, visible_labels, visible_reviews
from mediscan_site.core.models import User, WorkStatus
from mediscan_site.core.sentences import in_language
from models_registry.models import Feedback, Grade, ReferralRead
from models_registry.policies import visible_grades
from models_registry.selectors import refer_reasons, with_covered

# A scan that a test grades again and again has thousands of events.
MOST_ON_PAGE: Final = 200
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Moment:
    """`kind` is one of upload, import, label, review, dataset, grade, read, feedback, on pages also more; `actor` a user name or
    empty."""

    at: datetime
    kind: str
    text: str
    actor: str = ""
    comment: str = ""
    object: str = ""


def of_scan(image: Image, user: User | AnonymousUser, *, on_page: bool = False) -> list[Moment]:
    """Every moment of the scan in the order it happened; rows of the same instant in the order of their kind. What others said
    stays covered from whoever may still have to read the scan; `on_page`: what the model said too (`with_covered`), and of each
    kind the newest MOST_ON_PAGE, which it says."""
    moments = [
        Moment(
            image.upload_date,
            "upload",
            _("uploaded as %(file)s") % {"file": image.file_name},
            image.uploaded_by.username,
            object=image.code,
        )
    ]
    shown = visible_grades(user).filter(image=image)
    cut = _Cut(MOST_ON_PAGE if on_page else None)
    grades = cut.of(
        (with_covered(shown, user) if on_page else shown).select_related("model", "prediction", "requested_by")
    )
    parts: list[Iterator[Moment]] = [_imports(image, cut), _labels(image, user, cut), _reviews(image, user, cut)]
    if Image.objects.filter(covered(user), pk=image.pk).exists():
        parts += [_grades(grades)]
    else:
        parts += [_snapshots(image, cut), _grades(grades), _reads(image, cut), _feedback(grades, cut)]
    for part in parts:
        moments.extend(part)
    if cut.was_made:
        told = _("earlier events are not shown here; the API has them all")
        moments.append(Moment(image.upload_date, "more", told))
    return sorted(moments, key=lambda moment: moment.at)


@dataclass
class _Cut:
    """The newest rows of each kind, in their order; None: all. `was_made`: some were left out."""

    most: int | None
    was_made: bool = False

    def of(self, rows: QuerySet[Row]) -> list[Row]:
        if self.most is None:
            return list(rows.order_by("pk"))
        found = list(rows.order_by("-pk")[: self.most + 1])
        self.was_made |= len(found) > self.most
        return found[: self.most][::-1]


def _imports(image: Image, cut: _Cut) -> Iterator[Moment]:
    for row in cut.of(ImportFile.objects.filter(image=image).select_related("batch__created_by")):
        told = {"import": row.batch_id, "outcome": _(row.outcome.replace("_", " "))}
        created = row.outcome == ImportFile.Outcome.CREATED
        text = _("came with import %(import)s") if created else _("met again in import %(import)s: %(outcome)s")
        by = row.batch.created_by.username
        yield Moment(row.batch.created_at, "import", text % told, by, in_language(row.detail), object=str(row.batch_id))


def _labels(image: Image, user: User | AnonymousUser, cut: _Cut) -> Iterator[Moment]:
    rows = visible_labels(user).filter(image=image)
    for row in cut.of(rows.select_related("label_class", "reader", "through")):
        told = {"reading": _reading(row), "source": _(row.source)}
        own = row.source == Label.Source.DOCTOR
        text = (_("labelled %(reading)s") if own else _("labelled %(reading)s (from %(source)s)")) % told
        if row.through:
            by = {"told": text, "user": row.through.username}
            text = _("%(told)s, with a service token that %(user)s made") % by
        # Not when: of a read that only measures its reader that is on no record, and nobody shall tell it by that.
        said = _("%(told)s; taken back since") % {"told": text} if row.taken_back else text
        yield Moment(row.annotation_date, "label", said, _name(row.reader), row.comment, object=str(row.pk))


def _reviews(image: Image, user: User | AnonymousUser, cut: _Cut) -> Iterator[Moment]:
    rows = visible_reviews(user).filter(image=image)
    for row in cut.of(rows.select_related("reviewer", "new_label__label_class", "decision__undone")):
        new = row.new_label.label_class if row.new_label else None
        told = {"status": _(row.status), "name": new.name if new else ""}
        text = (_("label %(status)s to %(name)s") if new else _("label %(status)s")) % told
        said = _("%(told)s; taken back since") % {"told": text} if row.is_taken_back else text
        yield Moment(row.created_at, "review", said, row.reviewer.username, row.comment, object=str(row.pk))
        yield from _taken_back(row, text)


def _taken_back(row: Review, text: str) -> Iterator[Moment]:
    """When it was taken back; only whoever said it can."""
    undone = getattr(getattr(row, "decision", None), "undone", None)
    if undone is not None:
        told = _("took back: %(told)s") % {"told": text}
        yield Moment(undone.created_at, "review", told, row.reviewer.username, object=str(row.pk))


def _snapshots(image: Image, cut: _Cut) -> Iterator[Moment]:
    for row in cut.of(SnapshotMember.objects.filter(image=image).select_related("snapshot__created_by", "label_class")):
        told = {"dataset": row.snapshot.code, "split": _(row.split), "name": row.label_class.name}
        text = _("frozen into %(dataset)s (%(split)s) as %(name)s") % told
        by = row.snapshot.created_by.username
        yield Moment(row.snapshot.created_at, "dataset", text, by, object=row.snapshot.code)


def _grades(grades: Iterable[Grade]) -> Iterator[Moment]:
    for row in grades:
        at = row.finished_at or row.created_at
        yield Moment(
            at, "grade", _grade_text(row), row.requested_by.username, in_language(row.error), object=str(row.pk)
        )


def _grade_text(row: Grade) -> str:
    if row.status != WorkStatus.SUCCEEDED:
        return _("grade by %(model)s: %(status)s") % {"model": row.model.code, "status": _(row.status)}
    if row.covered:
        return _("graded by %(model)s: covered until you have read the scan") % {"model": row.model.code}
    told = {"model": row.model.code, "answer": row.prediction.name if row.prediction else _("nothing")}
    if row.decision == Grade.Decision.ANSWER:
        return _("graded by %(model)s: %(answer)s, answered") % told
    why = " ".join(_(reason.sentence) for reason in refer_reasons(row))
    return (_("graded by %(model)s: %(answer)s, referred. %(why)s") % {**told, "why": why}).rstrip()


def _reads(image: Image, cut: _Cut) -> Iterator[Moment]:
    """Of referrals. A read that became a label is told with it; here also what became none."""
    for row in cut.of(ReferralRead.objects.filter(referral__image=image).select_related("reader", "label_class")):
        text = _("referred scan read as %(reading)s") % {"reading": _reading(row)}
        if row.held_for_admin:
            text = _("%(told)s (a scan of a test split: held for an administrator)") % {"told": text}
        yield Moment(row.created_at, "read", text, row.reader.username, row.comment, object=str(row.referral_id))


def _feedback(grades: Iterable[Grade], cut: _Cut) -> Iterator[Moment]:
    told = [grade.pk for grade in grades if not grade.covered]
    for row in cut.of(Feedback.objects.filter(grade__in=told).select_related("author", "correct_class")):
        right = {"name": row.correct_class.name if row.correct_class else ""}
        wrong = _("grade is wrong, %(name)s is right") % right if row.correct_class else _("grade is wrong")
        text = _("grade is right") if row.correct else wrong
        yield Moment(row.created_at, "feedback", text, row.author.username, row.comment, object=str(row.grade_id))


def _reading(row: Label | ReferralRead) -> str:
    """A class, or why nobody can tell."""
    if row.label_class:
        return row.label_class.name
    reason = row.ungradable_reason
    return _("ungradable: %(reason)s") % {"reason": _(reason) if reason else ""}


def _name(user: Any) -> str:
    return user.username if user else ""
