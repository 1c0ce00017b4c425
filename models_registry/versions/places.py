"""Where scans come from: institution and device as keyed codes, and whether a version learned from them or was accepted there.

A place is what a scan's metadata names. Codes are made from the name under a key of this site's, for each project apart, so that
rows which outlive the scans name no institution; names are shown only as long as some scan has them. A scan that names no
institution is of a place too, the unnamed one: else leaving the name out would be the way round an acceptance test.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from images.models import Image, Metadata, Split
from labeling.models import SnapshotMember
from mediscan_site.core.remembering import Memory
from mediscan_site.core.storage import ring
from models_registry.models import AcceptanceDecision, Grade, LearnedPlaces, ModelVersion
from models_registry.versions import lineage

PURPOSE: Final = "place code"
CODE_BYTES: Final = 8
UNNAMED: Final = "no institution named"
_learned = Memory()


@dataclass(frozen=True)
class Place:
    """Codes of the institution and of the device; the device's is empty where the scan names none."""

    site: str
    device: str = ""


@dataclass(frozen=True)
class Where:
    """Names as people write them; `institution` empty: scans that name none."""

    institution: str
    device: str = ""


def code(project_id: int, kind: str, name: str) -> str:
    """`S` (institution) or `D` (device) and 16 hexadecimal digits, the same for names that differ in case and blanks."""
    normal = " ".join(name.split()).casefold()
    message = f"{project_id}\n{kind}\n{normal}".encode("utf-8", "surrogatepass")
    return kind + hmac.digest(ring.current().derived(PURPOSE), message, "sha256")[:CODE_BYTES].hex()


def place_of(project_id: int, where: Where) -> Place:
    device = code(project_id, "D", where.device) if where.device.strip() else ""
    return Place(code(project_id, "S", where.institution), device)


def where(image: Image) -> Where:
    """What the scan's metadata names."""
    facts: Metadata | None = getattr(image, "metadata", None)
    return Where(facts.institution, facts.device) if facts else Where("")


def names(project_id: int) -> dict[str, str]:
    """Code -> name of every institution and device that a scan of the project names now, and of the unnamed place."""
    found = {code(project_id, "S", ""): UNNAMED}
    for institution, device in named_pairs(project_id):
        place = place_of(project_id, Where(institution, device))
        found[place.site] = institution or UNNAMED
        if place.device:
            found[place.device] = device
    return found


def named_pairs(project_id: int) -> list[tuple[str, str]]:
    """(institution, device) as the project's scans name them, either may be empty."""
    return list(_facts(project_id).order_by().values_list("institution", "device").distinct())


def scans_of(project_id: int, place: Place) -> Q:
    """What makes a scan one of this place; any device where the place has none."""
    here = [pair for pair in named_pairs(project_id) if _is_at(place_of(project_id, Where(*pair)), place)]
    found = Q(pk__in=())
    for institution in {institution for institution, _ in here}:
        devices = {device for named, device in here if named == institution}
        found |= Q(metadata__institution=institution, metadata__device__in=devices)
    if place == place_of(project_id, Where("")):
        found |= Q(metadata__isnull=True)
    return found


def _is_at(one: Place, place: Place) -> bool:
    return one.site == place.site and place.device in ("", one.device)


def _facts(project_id: int) -> QuerySet[Metadata]:
    return Metadata.objects.filter(image__project=project_id, image__erased_at__isnull=True)


def learned(model: ModelVersion) -> LearnedPlaces:
    """Where the scans are from that the version, or one it was continued from, learned from. Kept when first asked for."""
    row: LearnedPlaces = _learned.of((model.pk, model.training_date), lambda: _kept(model))
    return row


def _kept(model: ModelVersion) -> LearnedPlaces:
    known = LearnedPlaces.objects.filter(model=model).first()
    if known:
        return known
    snapshots = [version.snapshot_id for version in lineage.ancestry(model)]
    members = SnapshotMember.objects.filter(snapshot__in=snapshots).exclude(split=Split.TEST)
    facts = members.order_by().values_list("image__metadata__institution", "image__metadata__device").distinct()
    found = [place_of(model.project_id, Where(institution or "", device or "")) for institution, device in facts]
    row = LearnedPlaces(
        model=model,
        institutions=sorted({place.site for place in found}),
        devices=sorted({place.device for place in found} - {""}),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return LearnedPlaces.objects.get(model=model)
    return row


def standing(model: ModelVersion, place: Place) -> str:
    """What is known of the version at a place: `Grade.Standing`. A decision there counts before what it learned from, and one
    about the device before one about the institution."""
    decision = newest_decision(model, place)
    if decision is not None:
        accepted = decision.decision == AcceptanceDecision.Decision.ACCEPT
        return Grade.Standing.ACCEPTED if accepted else Grade.Standing.REFUSED
    known = learned(model)
    is_known = place.site in known.institutions and (not place.device or place.device in known.devices)
    return Grade.Standing.LEARNED if is_known else Grade.Standing.UNTESTED


def newest_decision(model: ModelVersion, place: Place) -> AcceptanceDecision | None:
    rows = AcceptanceDecision.objects.filter(test__model=model, test__site=place.site).select_related("test")
    rows = rows.filter(test__device__in={"", place.device}).order_by("-pk")
    about: dict[bool, AcceptanceDecision] = {}
    for row in rows:
        about.setdefault(bool(row.test.device), row)
    return about.get(True) or about.get(False)


def named(code_of_place: str, known: Mapping[str, str]) -> str:
    """The name for people; the code where no scan of the project has the name any longer."""
    return known.get(code_of_place, f"place {code_of_place}" if code_of_place else "")


def listed(codes: Iterable[str], known: Mapping[str, str]) -> list[str]:
    return [named(one, known) for one in codes]
