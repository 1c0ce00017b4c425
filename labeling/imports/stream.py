"""Many scans coming in: while some are decoded and encrypted in threads, others are saved, many in one transaction.

A file that is wrong, or that somebody else brings in meanwhile, never affects the rest: a group that the database refuses is
saved again one by one.
"""

import io
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction

from images.models import Image, LabelStatus, Project, ProjectClass
from images.services import ScanFacts, scans
from images.services.incoming import Told, is_dicom, told_by
from labeling.models import Label
from labeling.policies import require, require_class
from labeling.reading.labels import label_fresh, label_scan
from mediscan_site.core.errors import Conflict, DomainError, Unavailable
from mediscan_site.core.models import User

GROUP: Final = 16
# Two groups are in memory: one being decoded, one being saved.
GROUP_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One file of many and what is said about it. `tag` lets the caller recognise it."""

    data: bytes = field(repr=False)
    file_name: str
    facts: ScanFacts
    label_class: ProjectClass | None = None
    split: str | None = None
    external_id: str | None = None
    frame: int | None = None
    tag: Any = None


@dataclass
class Delivery:
    """What became of a parcel: `image` (and whether it is new), or `error`."""

    parcel: Parcel
    image: Image | None = None
    created: bool = False
    error: DomainError | None = None
    came: scans.Arrival | None = None
    told: "Future[Told] | None" = None
    work: "Future[scans.Kept] | None" = None
    kept: scans.Kept | None = None


class Stream:
    """`add` parcels, then `finish`; neither raises for a bad parcel. `report` gets the deliveries of each group, inside the
    transaction that saves it; equal files come in a later group. Leaving the block early drops the rest."""

    def __init__(
        self, *, actor: User, project: Project, source: Label.Source, report: Callable[[Sequence[Delivery]], None]
    ) -> None:
        self._actor, self._project, self._source, self._report = actor, project, source, report
        self._waiting: list[Parcel] = []
        self._groups: deque[list[Delivery]] = deque()
        self._in_work: set[str] = set()
        self._learning = False
        # More threads than decoders: while one decodes, others encrypt and wait for the disk.
        self._threads = ThreadPoolExecutor(settings.DECODER_PROCESSES + 2, thread_name_prefix="intake")
        self._askers = ThreadPoolExecutor(settings.DECODER_PROCESSES, thread_name_prefix="intake-whose")

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for threads in (self._askers, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        for delivery in (delivery for group in self._groups for delivery in group):
            if delivery.work and not delivery.work.cancelled() and not delivery.work.exception():
                delivery.work.result().discard()

    def add(self, parcel: Parcel) -> None:
        if self._waiting and sum(len(one.data) for one in self._waiting) + len(parcel.data) > GROUP_BYTES:
            self._begin()
        self._waiting.append(parcel)
        if len(self._waiting) >= GROUP:
            self._begin()

    def finish(self) -> None:
        while self._waiting or self._groups:
            if self._waiting:
                self._begin()
            self._write_down()

    def _begin(self) -> None:
        """Start on the waiting parcels; meanwhile save the group before them."""
        group = [Delivery(parcel) for parcel in self._waiting]
        self._waiting = []
        self._permit(group)
        for delivery in group:
            _attempt(delivery, self._arrive)
        known = scans.received(self._project, [one.came.sha256 for one in group if one.came])
        self._groups.append([one for one in group if not self._put_off(one)])
        for delivery in self._groups[-1]:
            if delivery.came:
                delivery.image = known.get(delivery.came.sha256)
                self._ask(delivery)
        self._learning = scans.wants_views(self._project)
        for delivery in self._groups[-1]:
            _attempt(delivery, self._send_off)
        if len(self._groups) > 1:
            self._write_down()

    def _permit(self, group: Sequence[Delivery]) -> None:
        """Asked once per group: a right that is withdrawn while an import runs is gone from the next group on."""
        for codename, asking in (
            ("upload_image", list(group)),
            ("label_image", [one for one in group if one.parcel.label_class is not None]),
        ):
            try:
                if asking:
                    require(self._actor, codename, self._project)
            except DomainError as error:
                for delivery in asking:
                    delivery.error = error

    def _arrive(self, delivery: Delivery) -> None:
        parcel = delivery.parcel
        if parcel.label_class is not None:
            require_class(self._project, parcel.label_class)
        delivery.came = scans.arrival(
            source=io.BytesIO(parcel.data),
            file_name=parcel.file_name,
            facts=parcel.facts,
            split=parcel.split,
            external_id=parcel.external_id,
            frame=parcel.frame,
        )

    def _put_off(self, delivery: Delivery) -> bool:
        """True for bytes already being worked on: the parcel waits until their outcome is known."""
        if delivery.came is None:
            return False
        digest = delivery.came.sha256
        if digest not in self._in_work:
            self._in_work.add(digest)
            return False
        self._waiting.append(delivery.parcel)
        return True

    def _ask(self, delivery: Delivery) -> None:
        """Whose scans they are is asked for all of a group at once: each question waits for a decoder."""
        if delivery.came is not None and delivery.image is None and is_dicom(delivery.came.data):
            delivery.told = self._askers.submit(told_by, self._project, delivery.came.data)

    def _send_off(self, delivery: Delivery) -> None:
        if delivery.came is not None and delivery.image is None:
            scans.refuse_taken(self._project, delivery.came.external_id)
            told = delivery.told.result() if delivery.told else {}
            identified = scans.identified(self._project, delivery.came, told)
            delivery.work = self._threads.submit(scans.keep, self._project, identified, learning=self._learning)

    def _write_down(self) -> None:
        if not self._groups:
            return
        group = self._groups[0]
        for delivery in group:
            _attempt(delivery, _collect)
        self._groups.popleft()
        try:
            self._insert(group)
        except IntegrityError:
            for delivery in group:
                self._insert_alone(delivery)
        self._in_work.difference_update(one.came.sha256 for one in group if one.came)

    def _insert(self, group: Sequence[Delivery]) -> None:
        new = [(one, one.kept) for one in group if one.kept]
        try:
            scans.settle([scan for _, scan in new])
            with transaction.atomic():
                images = scans.insert(self._actor, self._project, [scan for _, scan in new])
                for (delivery, _), image in zip(new, images, strict=True):
                    delivery.image, delivery.created = image, True
                fresh = [(one.image, one.parcel.label_class) for one, _ in new if one.image and one.parcel.label_class]
                label_fresh(actor=self._actor, project=self._project, pairs=fresh, source=self._source)
                for delivery in group:
                    _attempt(delivery, self._label_known)
                self._report(group)
        except IntegrityError:
            for delivery, _ in new:
                delivery.image, delivery.created = None, False
            raise
        except Exception:
            for _, scan in new:
                scan.discard()
            raise

    def _insert_alone(self, delivery: Delivery) -> None:
        try:
            self._insert([delivery])
        except IntegrityError:
            if delivery.kept is None or delivery.came is None:
                raise
            delivery.kept.discard()
            delivery.kept, digest = None, delivery.came.sha256
            delivery.image = scans.received(self._project, [digest]).get(digest)
            _attempt(delivery, self._find_the_winner)
            self._insert([delivery])

    def _find_the_winner(self, delivery: Delivery) -> None:
        """Which scan came first: the same bytes (then it is a duplicate) or another one with this external id."""
        if delivery.came is not None and delivery.image is None:
            scans.refuse_taken(self._project, delivery.came.external_id)
            raise Conflict("The scan was taken in and removed by somebody else meanwhile. Send it again.")

    def _label_known(self, delivery: Delivery) -> None:
        """A scan that was already here keeps its label; without one it gets the parcel's."""
        image, wanted = delivery.image, delivery.parcel.label_class
        if image is not None and not delivery.created and wanted and image.label_status == LabelStatus.UNLABELED:
            delivery.image = label_scan(actor=self._actor, image=image, label_class=wanted, source=self._source).image


def _attempt(delivery: Delivery, step: Callable[[Delivery], None]) -> None:
    """The next step of a parcel without errors so far; an error becomes its outcome."""
    if delivery.error is not None:
        return
    try:
        step(delivery)
    except Unavailable:
        raise
    except DomainError as error:
        delivery.error = error


def _collect(delivery: Delivery) -> None:
    if delivery.work is not None:
        delivery.kept = delivery.work.result()
