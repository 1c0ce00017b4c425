"""A new place is a new patient group: what a version says, and does, about scans of a place it does not know."""

import pytest

from images.models import Metadata, Project
from models_registry.grades.evidence import remarks
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Grade, LearnedPlaces
from models_registry.versions import conditions, places
from tests.models_registry.acceptance.conftest import AWAY, HOME

pytestmark = pytest.mark.django_db


@pytest.fixture
def graded(author, project):
    def ask(image) -> Grade:
        grade = request_grade(actor=author, project=project, image=image)
        run_grade(grade.pk)
        return Grade.objects.select_related("model", "project").get(pk=grade.pk)

    return ask


def test_a_scan_of_a_place_that_the_version_learned_from_is_answered_without_a_word(learned, make_scan, graded):
    grade = graded(make_scan(seed=1, institution=f" {HOME.upper()} ", device="Alpha"))
    assert (grade.standing, grade.decision, conditions.warnings(grade)) == ("learned", "answer", [])


@pytest.mark.parametrize(
    "facts",
    [{"institution": AWAY}, {"institution": HOME, "device": "Gamma"}, {}],
    ids=["institution", "device", "unnamed"],
)
def test_one_of_another_place_or_device_is_answered_with_a_warning(learned, make_scan, graded, facts):
    grade = graded(make_scan(seed=1, **facts))
    assert (grade.standing, grade.decision) == ("untested", "answer")
    assert "nor was it tested there" in remarks(grade)[0]


def test_or_referred_when_the_project_says_so(learned, make_scan, graded, project):
    Project.objects.filter(pk=project.pk).update(unaccepted_site="refer")
    grade = graded(make_scan(seed=1, institution=AWAY))
    assert (grade.decision, grade.reasons) == ("refer", ["site_not_accepted"])
    assert graded(make_scan(seed=2, institution=HOME)).decision == "answer"


def test_the_api_says_where_the_version_stands(learned, make_scan, graded, api, author):
    grade = graded(make_scan(seed=1, institution=AWAY))
    answer = api(author).get(f"/api/v1/grades/{grade.pk}/").json()
    assert answer["standing"] == "untested"
    assert answer["warnings"] == conditions.warnings(grade)


def test_no_row_keeps_the_name_of_an_institution(learned, make_scan, graded):
    grade = graded(make_scan(seed=1, institution=AWAY))
    assert grade.site.startswith("S")
    kept = repr(list(Grade.objects.values())) + repr(list(LearnedPlaces.objects.values()))
    assert HOME not in kept
    assert AWAY not in kept


def test_codes_are_those_of_one_project_alone(project):
    assert places.code(project.pk, "S", AWAY) == places.code(project.pk, "S", f"  {AWAY.lower()} ")
    assert places.code(project.pk, "S", AWAY) != places.code(project.pk + 1, "S", AWAY)


def test_names_are_shown_as_long_as_a_scan_has_them(learned, make_scan, project):
    image = make_scan(seed=1, institution=AWAY)
    code = places.code(project.pk, "S", AWAY)
    assert places.named(code, places.names(project.pk)) == AWAY
    Metadata.objects.filter(image=image).update(institution="")
    assert places.named(code, places.names(project.pk)) == f"place {code}"


def test_what_a_version_learned_from_does_not_change_with_what_is_known_about_the_scans_later(learned):
    before = places.learned(learned).institutions
    Metadata.objects.update(institution=AWAY)
    assert places.learned(learned).institutions == before == [places.code(learned.project_id, "S", HOME)]
