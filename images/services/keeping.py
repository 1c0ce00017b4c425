"""The bytes of a scan on their way to the store: decoded, sealed, written, before any row of it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from images import renditions
from images.decoding.formats import CONTENT_TYPES, PICTURES, SNIFF_BYTES, sniff
from images.models import Project, RenditionKind
from images.scan_facts import ScanFacts
from images.services.exams import Remark
from images.services.incoming import Incoming, decode
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs

_ALWAYS = (RenditionKind.THUMBNAIL, RenditionKind.TILE)
# Of a project: whether a network of it sees views for learning.
Seer = Callable[[Project], bool]
_seers: list[Seer] = []


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One file as it came, and what is said about it, checked. `sha256`: of the received bytes. `patient`: the pseudonym that the
    scan gets; `facts.patient` is still the raw id. `exam`: the codes of its study, series and instance, and its place there."""

    data: bytes = field(repr=False)
    sha256: str
    file_name: str
    facts: ScanFacts
    patient: str | None = None
    split: str | None = None
    external_id: str | None = None
    frame: int | None = None
    exam: Mapping[str, str | int | None] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()


@dataclass
class Kept:
    """A scan whose bytes are stored and whose rows are not: `insert` saves them, `discard` drops the bytes. Before the rows are
    committed, `settle` makes the bytes last."""

    arrival: Arrival
    incoming: Incoming
    original: Blob
    derived: dict[RenditionKind, Blob] = field(default_factory=dict)
    pending: tuple[blobs.Pending, ...] = ()

    def blobs(self) -> list[Blob]:
        return [self.original, *self.derived.values()]

    def discard(self) -> None:
        """Drop the bytes, unless their rows are there: an error may come right after they were committed."""
        if not Blob.objects.filter(pk=self.original.pk).exists():
            self.destroy()

    def destroy(self) -> None:
        for pending in self.pending:
            pending.wait()
        for blob in self.blobs():
            blobs.discard(blob)


def wants_views(project: Project) -> bool:
    """Whether a scan that comes in gets its view for learning at once, while its file is decoded anyway: a network of the project
    sees views. Else it is made when somebody needs it first."""
    return any(sees(project) for sees in _seers)


def on_intake_views(seer: Seer) -> Seer:
    """Register (also as a decorator) who knows whether networks of a project see views. Asked at each upload: a cheap query."""
    if seer not in _seers:
        _seers.append(seer)
    return seer


def keep(project: Project, came: Arrival, *, aside: bool = False, learning: bool = False) -> Kept:
    """Decode the file and store original and derivatives encrypted. Touches no database: an import calls it from threads.
    `learning`: with the view for learning.

    `aside`: what is made of it is written in threads, and the answer does not wait for the disk; else in this one, as many
    scans are kept at the same time anyway. Invalid (attr `file`) for what gives no picture; then nothing is stored."""
    made = _Aside(project) if aside else _Here(project)
    with undone_by_error(made.undo):
        fmt = sniff(came.data[:SNIFF_BYTES])
        if fmt in PICTURES:
            # What is stored as it came need not wait for the decoder.
            as_it_came = partial(made.write, came.data, CONTENT_TYPES[fmt])
            incoming = decode(project, came.data, came.facts, came.patient, learning=learning, meanwhile=as_it_came)
        else:
            incoming = decode(project, came.data, came.facts, came.patient, learning=learning)
            made.store(incoming.stored, incoming.decoded.content_type)
        # The large picture is made when somebody looks at it first.
        kinds = (*_ALWAYS, RenditionKind.LEARNING) if learning else _ALWAYS
        for kind in kinds:
            made.store(renditions.part(incoming.decoded, kind), renditions.CONTENT_TYPES[kind])
        original, *derived = made.rows()
        return Kept(came, incoming, original, dict(zip(kinds, derived, strict=True)), made.pending)


def settle(scans: Sequence[Kept]) -> None:
    """Return when all bytes of these scans are on the disk, with their names. Raises what went wrong."""
    for scan in scans:
        for pending in scan.pending:
            pending.settle()
    blobs.flush_folders(blob for scan in scans if not scan.pending for blob in scan.blobs())


class _Here:
    """Objects written one after the other, whose folders are flushed by `settle`."""

    flush_folder = False

    def __init__(self, project: Project) -> None:
        self._namespace = blobs.namespace(project.pk)
        self._objects: list[Blob | blobs.Pending] = []

    @property
    def pending(self) -> tuple[blobs.Pending, ...]:
        return tuple(one for one in self._objects if isinstance(one, blobs.Pending))

    def write(self, data: bytes, content_type: str) -> None:
        where, flush = self._namespace, self.flush_folder
        self._objects.append(blobs.write(data, namespace=where, content_type=content_type, flush_folder=flush))

    store = write

    def rows(self) -> list[Blob]:
        return [one if isinstance(one, Blob) else one.row() for one in self._objects]

    def undo(self) -> None:
        for one in self._objects:
            blobs.discard(one) if isinstance(one, Blob) else one.discard()


class _Aside(_Here):
    flush_folder = True

    def store(self, data: bytes, content_type: str) -> None:
        self._objects.append(blobs.write_aside(data, namespace=self._namespace, content_type=content_type))


@contextlib.contextmanager
def undone_by_error(undo: Callable[[], None]) -> Iterator[None]:
    """Whatever goes wrong, no bytes without a row stay behind."""
    try:
        yield
    except BaseException:
        undo()
        raise
