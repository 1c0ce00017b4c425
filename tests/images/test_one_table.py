"""What is listed in more than one place comes from one table; what must be typed apart is equal to it."""

import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import NOT_PROVIDED, Q
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from images import facts, phantoms
from images.decoding.deid.options import DeidOptions
from images.decoding.dicom.tags import tags
from images.models import Image, Metadata, Project
from images.project_options import DEIDENTIFYING, OPTIONS, PLAIN
from images.scan_facts import EXAM_FIELDS, FACTS, METADATA, METADATA_FIELDS
from images.services import create_project
from images.services.projects import MAX_NAME
from labeling.imports import dialects

ROOT = Path(settings.BASE_DIR)
SAMPLES = {"text": "XY", "number": 3.5, "moment": datetime(2024, 5, 31, 14, 30, tzinfo=UTC)}


def section(document: str, title: str) -> str:
    """The words under a heading of a document, in lower case and on one line."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    found = re.search(rf"^## {title}\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert found, f"{document} has no heading '{title}'"
    return " ".join(found[1].lower().split())


def condition(name: str) -> Q:
    return next(rule.condition for rule in Metadata._meta.constraints if rule.name == name)


def test_every_fact_has_its_column_and_every_column_its_fact():
    columns = [field.name for field in Metadata._meta.concrete_fields if field.name not in ("id", "image")]
    assert sorted(METADATA_FIELDS) == sorted(columns)
    assert [fact.name for fact in FACTS.values() if fact.of_scan] == [
        "modality", "patient", "pseudonym", *EXAM_FIELDS,
    ]  # fmt: skip
    assert all(hasattr(Image, name) for name in EXAM_FIELDS)


@pytest.mark.parametrize("fact", METADATA, ids=lambda fact: fact.name)
def test_a_column_holds_what_its_fact_allows(fact):
    column = Metadata._meta.get_field(fact.name)
    kind = {"text": "CharField", "number": "FloatField", "moment": "DateTimeField"}[fact.kind]
    assert column.get_internal_type() == kind
    assert column.blank and column.null == (fact.kind != "text")
    assert fact.kind != "text" or column.max_length == fact.max_length > 0


def test_the_scan_itself_holds_the_modality_that_is_allowed():
    assert Image._meta.get_field("modality").max_length == FACTS["modality"].max_length


def test_the_database_has_the_bounds_of_the_table():
    age, spacing = FACTS["age"], FACTS["pixel_spacing"]
    unknown = Q(age__isnull=True)
    assert age.low_allowed and condition("age_is_human") == unknown | (Q(age__gte=age.low) & Q(age__lte=age.high))
    above = Q(pixel_spacing__gt=spacing.low)
    assert not spacing.low_allowed
    assert condition("pixel_spacing_is_positive") == Q(pixel_spacing__isnull=True) | above


@pytest.mark.parametrize("fact", METADATA, ids=lambda fact: fact.name)
def test_a_page_shows_every_fact(fact):
    metadata = Metadata(**{fact.name: SAMPLES[fact.kind]})
    (line,) = facts.lines(metadata).items()
    assert line[0] == (fact.line or fact.label)
    assert {"text": "XY", "number": "3.5", "moment": "2024-05-31 14:30"}[fact.kind] in line[1]


def test_a_page_shows_nothing_of_what_is_not_known():
    assert facts.lines(Metadata()) == {}


def test_a_page_puts_what_belongs_together_on_one_line():
    known = Metadata(body_part="CHEST", view="PA", laterality="L", sex="F", age=1.0, pixel_spacing=0.143, device="X")
    known.pixel_spacing_at = "detector"
    assert facts.lines(known) == {
        "Body part": "CHEST, PA, L",
        "Person": "female, 1 year",
        "Pixel spacing": "0.143 mm, detector",
        "Device": "X",
    }


def test_a_dicom_file_is_asked_for_every_fact_that_it_can_tell():
    asked = {fact.name for fact in FACTS.values() if fact.keywords or fact.choices or fact.kind in ("number", "moment")}
    assert set(tags(Dataset(), Dataset(), [])) == asked


@pytest.mark.parametrize("fact", [fact for fact in FACTS.values() if fact.keywords], ids=lambda fact: fact.name)
def test_a_text_comes_from_each_of_its_elements(fact):
    for keywords in map(str.split, fact.keywords):
        dataset = Dataset()
        for keyword in keywords:
            assert tag_for_keyword(keyword) is not None
            setattr(dataset, keyword, "A")
        assert tags(dataset, Dataset(), [])[fact.name] == " ".join("A" for _ in keywords)


def test_the_privacy_page_names_every_fact():
    told = section("privacy.md", "What is known about a scan")
    assert [fact.name for fact in METADATA if fact.label.lower() not in told] == []
    treated = told.partition("treated as identifying")[2]
    assert [fact.name for fact in METADATA if fact.identifying and fact.name not in treated] == []


def test_the_labels_file_of_the_phantoms_has_known_columns():
    assert set(phantoms.COLUMNS) <= {"image_id", *dialects.COLUMNS}


def test_every_column_of_a_project_is_an_option_or_is_nobodys_to_choose():
    columns = {field.name for field in Project._meta.concrete_fields}
    # The guide is written on a page of its own.
    assert columns - {"id", "name", "created_by", "created_at", "version", "guide"} == set(OPTIONS)


@pytest.mark.parametrize("option", PLAIN.values(), ids=lambda option: option.name)
def test_a_column_holds_what_its_option_allows_and_has_a_default_that_it_allows(option):
    column = Project._meta.get_field(option.name)
    kinds = {
        "line": "CharField",
        "meaning": "CharField",
        "choice": "CharField",
        "flag": "BooleanField",
        "statement": "TextField",
        "number": "PositiveSmallIntegerField",
    } | dict.fromkeys(("share", "years"), "FloatField")
    assert column.get_internal_type() == kinds[option.kind]
    assert option.kind != "choice" or [value for value, _ in column.choices] == list(option.choices)
    assert option.kind not in ("line", "meaning") or column.max_length == option.max_length > 0
    bounds = {type(rule): rule.limit_value for rule in column.validators}
    if option.kind in ("share", "years", "number"):
        assert (bounds[MinValueValidator], bounds[MaxValueValidator]) == (option.low, option.high)
    assert column.default is not NOT_PROVIDED or column.blank


def test_a_name_fits_into_its_column():
    assert Project._meta.get_field("name").max_length == MAX_NAME


@pytest.mark.parametrize("option", PLAIN.values(), ids=lambda option: option.name)
def test_the_form_has_words_for_every_option(option):
    assert option.label or option.kind in ("line", "statement"), "a tick or a number needs more words than its name"


def test_what_de_identification_asks_is_an_option_that_the_privacy_page_explains():
    asked = {field.name for field in fields(DeidOptions)} - {"secret", "patient_override"}
    assert set(DEIDENTIFYING) == asked
    table = section("privacy.md", "What happens to DICOM elements")
    for name in DEIDENTIFYING:
        default = "on" if Project._meta.get_field(name).default else "off"
        assert f"`{name}` (default: {default})" in table


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["expected_prevalence", "created_by", "colour"])
def test_what_is_no_option_of_a_new_project_is_refused_loudly(admin, name):
    with pytest.raises(TypeError, match=f"no option {name}"):
        create_project(actor=admin, name="P", classes=["a", "b"], **{name: 1})
    assert not Project.objects.exists()
