"""Filters of the lists. A project or class that the user cannot see gives an empty list, as one that does not exist does."""

from functools import cached_property, partial, reduce
from operator import or_
from typing import Any

import django_filters
from django.core.validators import EMPTY_VALUES
from django.db.models import Exists, Q, QuerySet
from django.db.models.functions import Coalesce, Lower

from images import covering, few, policies
from images.counts import kept_total
from images.models import (
    SCAN_PREFIX,
    ApprovalStatus,
    Hold,
    Image,
    ImageTag,
    LabelStatus,
    Project,
    ProjectClass,
    Split,
    Tag,
)
from images.naming_index import number_named, scans_named
from images.services.exams import CODES, LEVELS
from images.services.many import MOST_AT_ONCE
from images.services.naming import find_patients
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.filters import CodeFilter
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.names import name_key

SEARCH_LENGTH = 120
# A scan that does not say its place comes last.
LAST = 2**31 - 1
# Filters that have an index in the order of upload for each of their values.
WALKED = {"label_status", "approval_status", "split", "hold", "modality"}
ORDERING_KEYS = {"instance_number": "instance_place"}


PATIENT = "pseudonym; with the right `reidentify` also the patient id as it was sent, which is audited"


def asked_projects(user: Any, project: Any) -> QuerySet[Project]:
    """The visible project that a filter names, or all visible ones where it names none."""
    projects = policies.visible_projects(user)
    key = find_key(project or "")
    return projects if key is None else projects.filter(pk=key)


class ScanFilter(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    project = CodeFilter(label="key of the project")
    label = django_filters.CharFilter(method="by_label", label="class name or id; `ungradable`")
    label_status = django_filters.ChoiceFilter(choices=LabelStatus.choices, method="by_shown")
    approval_status = django_filters.ChoiceFilter(choices=ApprovalStatus.choices, method="by_shown")
    split = django_filters.ChoiceFilter(choices=[*Split.choices, ("none", "none")], method="by_split")
    modality = django_filters.CharFilter(method="by_modality")
    patient = django_filters.CharFilter(method="by_patient", label=PATIENT)
    study = django_filters.CharFilter(method="by_level", label="code of the study, as a scan shows it")
    series = django_filters.CharFilter(method="by_level", label="code of the series, as a scan shows it")
    instance = django_filters.CharFilter(method="by_level", label="code of the instance, as a scan shows it")
    external_id = django_filters.CharFilter(method="by_external_id")
    hold = django_filters.ChoiceFilter(choices=[*Hold.choices, ("held", "held"), ("none", "none")], method="by_hold")
    tag = django_filters.CharFilter(method="by_tag", label="a tag of the scan, by name or id")
    ids = django_filters.CharFilter(method="by_ids", label=f"at most {MOST_AT_ONCE} scans by key or code, with commas")
    uploaded_after = django_filters.IsoDateTimeFilter(field_name="upload_date", lookup_expr="gte")
    uploaded_before = django_filters.IsoDateTimeFilter(field_name="upload_date", lookup_expr="lt")
    updated_after = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
    search = django_filters.CharFilter(method="by_search", label="part of the file name, external id or code")

    class Meta:
        model = Image
        fields: list[str] = []

    def __init__(self, *given: Any, project: Project | None = None, **named: Any) -> None:
        """`project`: the one that the data name, where the caller has found it visible."""
        super().__init__(*given, **named)
        # Those that `label` names; 0: what cannot be graded.
        self._classes: list[int] = []
        # How many were found before they were put in order.
        self._few: int | None = None
        if project is not None:
            self.projects = [project.pk]

    def filter_queryset(self, queryset: QuerySet[Image]) -> QuerySet[Image]:
        rows: QuerySet[Image] = self._first_if_few(queryset, super().filter_queryset(queryset))
        if self._order not in ORDERING_KEYS:
            return rows
        if not self.said.keys() & {"study", "series"}:
            raise Invalid(
                "The place of a scan holds within its study: filter by study or series, too.", attr="ordering"
            )
        placed: QuerySet[Image] = rows.annotate(instance_place=Coalesce("instance_number", LAST))
        return placed

    def _first_if_few(self, queryset: QuerySet[Image], rows: QuerySet[Image]) -> QuerySet[Image]:
        """Rows of which there are few are found before they are put in order, else in their order: which of the two it is no
        planner can know of several conditions together, and of one in another order than its index has. Once they are found they
        are asked for by their keys alone: of two lists of keys PostgreSQL believes that they share next to nothing."""
        said = self.said
        if not said:
            return rows
        if said.get("label_status", LabelStatus.LABELED) != LabelStatus.LABELED and (
            "label" in said or said.get("approval_status", ApprovalStatus.PENDING) != ApprovalStatus.PENDING
        ):
            return rows.none()
        is_walked = said.keys() <= WALKED and len(said) == 1 and len(self.projects) == 1
        # A tag alone has been looked for in the same way by its own filter.
        if (is_walked and self._order in {"", "upload_date"}) or said.keys() == {"tag"} or self._named_alike > few.FEW:
            return rows
        if self.kept_total is not None and self.kept_total > few.FEW:
            return rows
        keys = few.keys_of(rows.filter(project__in=self.projects))
        if keys is None:
            return rows
        self._few = len(keys)
        return queryset.filter(pk__in=keys)

    @property
    def total(self) -> int | None:
        """How many scans `qs` has, where that is known without counting them; of very many, how many a count would look at."""
        # Looking for them says how few there are.
        _ = self.qs
        if self._few is not None:
            return self._few
        if self._named_alike > MOST_COUNTED:
            return MOST_COUNTED + 1
        return self.kept_total

    @cached_property
    def _named_alike(self) -> int:
        """How many scans have the part of a name, where nothing else is asked for; 0 where the index does not say it."""
        return number_named(self.projects, self._part, MOST_COUNTED) if self.said.keys() == {"search"} else 0

    @property
    def _part(self) -> str:
        return str(self.said.get("search", "")).strip()[:SEARCH_LENGTH]

    @cached_property
    def kept_total(self) -> int | None:
        """How many scans are asked for, by the maintained numbers; None where they do not say: it is about something else,
        about several projects, or some scans are shown otherwise than they are."""
        shown = {"label", "label_status", "approval_status"} & self.said.keys()
        if len(self.projects) != 1 or self.said.keys() - shown - {"split", "hold"} or (shown and self._covers):
            return None
        return kept_total(self.projects[0], self.said, self._classes)

    @cached_property
    def _covers(self) -> bool:
        return covering.in_use(self.request.user)

    def _shown_with(self, **columns: object) -> Q:
        return covering.shown_with(self.request.user, used=self._covers, **columns)

    @cached_property
    def said(self) -> dict[str, Any]:
        """What is asked for beside the project, by the filter's name. A page passes over what its address has wrong."""
        given = self.form.cleaned_data.items()
        return {name: value for name, value in given if name != "project" and value not in EMPTY_VALUES}

    @property
    def _order(self) -> str:
        return str(self.data.get("ordering") or "").removeprefix("-")

    @cached_property
    def projects(self) -> list[int]:
        """The keys of the projects that are asked for: every index begins with them."""
        return list(asked_projects(self.request.user, self.data.get("project")).values_list("pk", flat=True))

    def by_label(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        # A class may be named "1": its name beats another class's id.
        shown = partial(self._shown_with, label_status=LabelStatus.LABELED)
        classes = ProjectClass.objects.filter(project__in=self.projects)
        keys = list(classes.filter(name=value).values_list("pk", flat=True))
        if not keys and value != "ungradable":
            keys = list(classes.filter(pk=find_key(value) or 0).values_list("pk", flat=True))
        self._classes = [*keys, 0] if value == "ungradable" else keys
        found = [shown(label_class=key) for key in keys]
        found += [shown(label_class__isnull=True)] if value == "ungradable" else []
        return queryset.filter(reduce(or_, found)) if found else queryset.none()

    def by_shown(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        return queryset.filter(self._shown_with(**{name: value}))

    def by_modality(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        return queryset.filter(modality__in=self._spellings(value))

    def by_split(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        return queryset.filter(split__isnull=True) if value == "none" else queryset.filter(split=value)

    def by_tag(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        # As with classes: a tag may be named "1".
        tags = Tag.objects.filter(project__in=self.projects)
        keys = list(tags.filter(name_key=name_key(value.strip())).values_list("pk", flat=True))
        keys = keys or list(tags.filter(pk=find_key(value) or 0).values_list("pk", flat=True))
        return few.held_by(queryset, ImageTag.objects.filter(tag__in=keys), "image")

    def by_ids(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        named = value.split(",")
        if len(named) > MOST_AT_ONCE:
            raise Invalid(f"Name at most {MOST_AT_ONCE} scans.", attr="ids", code="max_length")
        keys = [key for part in named if (key := find_key(part.strip(), SCAN_PREFIX)) is not None]
        return queryset.filter(pk__in=keys)

    def by_hold(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        if value == "held":
            return queryset.filter(hold__in=Hold.values)
        return queryset.filter(hold="" if value == "none" else value)

    def by_patient(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        projects = asked_projects(self.request.user, self.data.get("project"))
        return queryset.filter(project__in=self.projects, patient__in=find_patients(self.request.user, value, projects))

    def by_level(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        """By code only: a UID in an address would stay in logs, and an empty list would say that there is no such study."""
        if not CODES[name].fullmatch(value.strip()):
            raise Invalid(
                f"Give the {name} by its code, as a scan shows it: {LEVELS[name]} and 16 characters.", attr=name
            )
        return queryset.filter(project__in=self.projects, **{name: value.strip()})

    def by_external_id(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        return queryset.filter(project__in=self.projects, external_id=value)

    def by_search(self, queryset: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        text: Any = self._part
        queryset = queryset.alias(lower_name=Lower("file_name"))
        key = find_key(text, SCAN_PREFIX)
        # `iexact` and `icontains` keep case on MySQL under a binary collation: LOWER() does not.
        matches = Q(file_name__icontains=text) | Q(lower_name__contains=text.lower()) | Q(external_id=text) | Q(pk=key)
        keys = None if self._named_alike > few.FEW else scans_named(self.projects, text)
        if keys is None:
            return queryset.filter(matches)
        called = Image.objects.filter(project__in=self.projects, external_id=text).values_list("pk", flat=True)
        return queryset.filter(matches, pk__in=[*keys, *called, key or 0])

    def _spellings(self, value: str) -> list[str]:
        """In how many of the usual ways a modality is written here."""
        named = Project.objects.filter(pk__in=self.projects).values_list("modality", flat=True).distinct()
        ways = {value, value.lower(), value.upper(), value.title(), value.capitalize()}
        ways |= {word for word in named if word.casefold() == value.casefold()}
        asked = sorted(ways)
        here = Image.objects.filter(project__in=self.projects)
        used = [Exists(here.filter(modality=way)) for way in asked]
        row = Project.objects.filter(pk__in=self.projects[:1]).values_list(*used).first() or ()
        return [way for way, is_used in zip(asked, row, strict=False) if is_used]
