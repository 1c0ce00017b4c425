"""Which scans may show one person, beyond what each says of itself: near-duplicates, and patients that meet in one study."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from images import mixed_studies
from images.models import Image, PatientMerge, Project
from images.services import duplicates

BATCH = 500
Keys = frozenset[str]


def person(patient: str | None, study: str | None) -> Keys:
    """What says who a scan shows: its patient, and its study, which is of one patient (PS3.3 7.3.1)."""
    return frozenset(f"{kind}:{name}" for kind, name in (("patient", patient), ("study", study)) if name)


def lookalikes(project: Project) -> dict[int, dict[int, Keys]]:
    """For each scan with confirmed near-duplicates: those, each with the keys of its patient and study."""
    pairs = list(duplicates.pairs_of(project.pk))
    persons = dict(_persons({pk for pair in pairs for pk in pair}))
    found: dict[int, dict[int, Keys]] = defaultdict(dict)
    for first, second in pairs:
        if first in persons and second in persons:
            found[first][second], found[second][first] = persons[second], persons[first]
    return found


def _persons(scans: Iterable[int]) -> Iterator[tuple[int, Keys]]:
    """Of these scans alone: a project may have a million others."""
    wanted = sorted(scans)
    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]
        rows = Image.objects.filter(pk__in=some, erased_at__isnull=True).values_list("pk", "patient", "study")
        yield from ((pk, person(patient, study)) for pk, patient, study in rows)


def studies_of_several(project: Project) -> dict[str, list[str]]:
    """The studies whose scans are kept under several patients, approved or not, with those patients: one of them is wrong, or
    all are one person, and nobody knows which. For pages: of those that were noted (`images.mixed_studies`)."""
    return _with_patients(project, mixed_studies.known(project))


def all_studies_of_several(project: Project) -> dict[str, list[str]]:
    """The same, found by looking at all scans of the project: one that is missed could be a leak."""
    return _with_patients(project, mixed_studies.counted(project))


def _with_patients(project: Project, studies: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for start in range(0, len(studies), BATCH):
        some = Image.objects.filter(project=project, study__in=studies[start : start + BATCH], patient__isnull=False)
        for study, patient in some.order_by().values_list("study", "patient").distinct():
            found[str(study)].add(str(patient))
    merged = dict(PatientMerge.objects.filter(project=project).values_list("source", "target"))
    named = {study: {merged.get(patient, patient) for patient in patients} for study, patients in found.items()}
    return {study: sorted(patients) for study, patients in named.items() if len(patients) > 1}


def one_person(studies: Mapping[str, Iterable[str]]) -> dict[str, Keys]:
    """For each patient of such a study the keys of all who may be the same person, also through other patients."""
    circle: dict[str, set[str]] = {}
    for patients in studies.values():
        joined = set(patients).union(*(circle.get(patient, ()) for patient in patients))
        circle.update(dict.fromkeys(joined, joined))
    return {patient: frozenset(f"patient:{one}" for one in joined) for patient, joined in circle.items()}
