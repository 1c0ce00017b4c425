"""An acceptance test: which scans are in it, that it is blind, what it shows, and what follows from it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from images.models import Image
from labeling.reading.labels import label_scan
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import AuditEvent
from models_registry.acceptance import drawing, selectors, services
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import AcceptanceTest, Grade
from models_registry.policies import visible_grades
from tests.models_registry.acceptance.conftest import AWAY, HOME

pytestmark = pytest.mark.django_db


@pytest.fixture
def begun(learned, admin):
    def begin(wanted: int = 10, **where) -> AcceptanceTest:
        return services.begin_test(actor=admin, model=learned, wanted=wanted, **{"institution": AWAY, **where})

    return begin


@pytest.fixture
def complete(begun, away, run_all):
    test = begun()
    away(12)
    drawing.draw(test)
    run_all()
    return test


def reasons(test) -> dict[str, int]:
    return {row.reason.split(" ")[0] + " " + row.reason.split(" ")[-1]: row.n for row in drawing.left_out(test)}


def test_it_takes_scans_that_doctors_have_read_after_it_was_begun(begun, away, run_all):
    test = begun()
    assert test.cases.count() == 0
    away(6, read=False)
    read = away(12, first=6000)
    assert drawing.draw(test) == 10
    assert {case.image_id for case in test.cases.all()} <= {scan.pk for scan in read}
    assert run_all() == 10
    assert drawing.is_complete(test)
    assert drawing.draw(test) == 0


def test_where_none_is_left_only_scans_that_changed_are_looked_at(begun, away):
    test = begun(20)
    away(6)
    assert drawing.draw(test) == 6
    Image.objects.update(updated_at=F("updated_at") - timedelta(days=1))
    with CaptureQueriesContext(connection) as asked:
        assert drawing.draw(test) == 0
    assert any('"updated_at" >=' in query["sql"].replace("`", '"') for query in asked)
    away(3, first=7000)
    assert drawing.draw(test) == 3
    drawing._exhausted.clear()
    assert drawing.draw(test) == 0


def test_scans_that_cannot_count_are_named_with_why(begun, away, project, author, learned):
    early = away(2, first=7000)
    test = begun()
    unread = away(1, read=False, first=7100)
    shown = away(1, read=False, first=7200)[0]
    grade = request_grade(actor=author, project=project, image=shown)
    run_grade(grade.pk)
    label_scan(actor=author, image=shown, label_class=project.class_rows.get(name="NORMAL"))
    found = {row.reason: row.scans for row in drawing.left_out(test)}
    assert found == {
        "no doctor has read it yet": [unread[0].code],
        "it was neither approved nor read after the test was begun": [scan.code for scan in early],
        "an answer about it was shown before it was read": [shown.code],
    }
    assert drawing.draw(test) == 0


def test_what_the_version_has_learned_from_is_left_out_and_named(learned, admin):
    test = services.begin_test(actor=admin, model=learned, wanted=10, institution=HOME)
    found = {row.reason: row.n for row in drawing.left_out(test)}
    assert found["the version has learned from it, from a copy or from its patient"] == 8
    # The test split's scans, which it has not learned from, are approved.
    assert test.cases.count() == 4


def test_its_grades_are_shown_to_nobody_until_it_is_decided(complete, author, admin, api, client):
    grade = Grade.objects.filter(blind=True).first()
    assert api(admin).get(f"/api/v1/grades/{grade.pk}/").status_code == 404
    assert api(author).get(f"/api/v1/history/?image={grade.image.code}").json()["results"] == []
    assert not visible_grades(author).exists()
    timeline = api(author).get(f"/api/v1/images/{grade.image.code}/timeline/")
    assert "graded by" not in timeline.content.decode()
    assert not AuditEvent.objects.filter(action="grade.finish", details__has_key="decision").exists()
    services.decide(actor=admin, test=complete, decision="accept", reason="Reads as well as at home.")
    assert visible_grades(author).count() == 10


def test_the_figures_come_when_all_scans_are_read_and_graded(begun, away, run_all, admin):
    test = begun()
    away(9)
    drawing.draw(test)
    run_all()
    assert selectors.figures(selectors.tests(admin).get(pk=test.pk)) is None
    away(1, first=9000)
    drawing.draw(test)
    run_all()
    found = selectors.figures(selectors.tests(admin).get(pk=test.pk))
    assert found["here"]["n"] == 10
    assert found["here"]["coverage"]["value"] == 1.0
    assert found["here"]["coverage"]["low"] < 0.8
    assert {row["class"] for row in found["here"]["per_class"]} == {"NORMAL", "OPACITY"}
    assert found["test_split"]["accuracy"]["value"] == 0.9


def test_a_class_with_too_few_scans_is_not_available_with_its_number(complete, admin):
    for case in complete.cases.select_related("label")[:10]:
        case.label.label_class = complete.project.class_rows.get(name="NORMAL")
        case.label.save()
    found = selectors.measured(complete)["here"]["per_class"]
    sick = next(row for row in found if row["class"] == "OPACITY")
    assert sick["sensitivity"]["value"] is None
    assert "OPACITY has 0 cases" in sick["sensitivity"]["reason"]


def test_accepted_it_answers_there_without_a_warning(complete, admin, author, project, make_scan):
    row = services.decide(actor=admin, test=complete, decision="accept", reason="Good enough.")
    assert row.figures["here"]["n"] == 10
    image = make_scan(seed=1, institution=AWAY, device="Gamma")
    grade = request_grade(actor=author, project=project, image=image)
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert (grade.standing, grade.decision) == ("accepted", "answer")


@pytest.mark.parametrize("decision", ["refer_all", "retrain"])
def test_not_accepted_its_scans_are_referred_whatever_the_project_says(
    complete, admin, author, project, make_scan, decision
):
    services.decide(actor=admin, test=complete, decision=decision, reason="Misses one of three.")
    grade = request_grade(actor=author, project=project, image=make_scan(seed=1, institution=AWAY))
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert (grade.decision, grade.reasons) == ("refer", ["site_not_accepted"])


def test_a_decision_about_a_device_goes_before_one_about_its_institution(
    complete, admin, author, project, make_scan, begun, away
):
    services.decide(actor=admin, test=complete, decision="accept", reason="Good.")
    test = begun(device="Gamma")
    services.decide(actor=admin, test=test, decision="refer_all", reason="An old detector.")
    said = {}
    for seed, device in ((1, "Gamma"), (2, "Beta"), (3, "")):
        image = make_scan(seed=seed, institution=AWAY, device=device)
        grade = request_grade(actor=author, project=project, image=image)
        run_grade(grade.pk)
        grade.refresh_from_db()
        said[device] = grade.decision
    assert said == {"Gamma": "refer", "Beta": "answer", "": "answer"}


def test_what_is_missing_cannot_be_accepted_but_it_can_be_given_up(begun, admin):
    test = begun()
    with pytest.raises(Conflict, match="0 of 10 scans") as refused:
        services.decide(actor=admin, test=test, decision="accept", reason="In a hurry.")
    assert refused.value.code == "acceptance_incomplete"
    services.decide(actor=admin, test=test, decision="refer_all", reason="Too few scans.")
    with pytest.raises(Conflict):
        services.decide(actor=admin, test=test, decision="retrain", reason="Again.")


def test_a_decision_needs_a_reason(begun, admin):
    with pytest.raises(Invalid, match="Say why"):
        services.decide(actor=admin, test=begun(), decision="refer_all", reason=" ")


def test_one_test_of_a_place_at_a_time(begun):
    begun()
    with pytest.raises(Conflict) as refused:
        begun()
    assert refused.value.code == "acceptance_open"


@pytest.mark.parametrize("wanted", [9, 501, True])
def test_a_test_has_10_to_500_scans(begun, wanted):
    with pytest.raises(Invalid):
        begun(wanted)


def test_only_who_may_deploy_begins_and_decides_one(learned, author, begun):
    with pytest.raises(Forbidden):
        services.begin_test(actor=author, model=learned, institution=AWAY)
    with pytest.raises(Forbidden):
        services.decide(actor=author, test=begun(), decision="refer_all", reason="No.")


def test_what_was_decided_is_audited_and_in_the_card(complete, admin):
    from models_registry.versions import cards

    services.decide(actor=admin, test=complete, decision="accept", reason="Good enough.")
    event = AuditEvent.objects.get(action="acceptance.decide")
    assert event.details["decision"] == "accept"
    text = cards.text(complete.model, None)
    assert "Good enough." in text
    assert cards.card(complete.model, None)["places"]["decisions"][0]["decision"] == "accept"


def test_the_story_through_the_api(learned, admin, away, run_all, api):
    away(12, first=8000, read=False)
    asked = {"model": learned.code, "institution": AWAY, "wanted": 10}
    test = api(admin).post("/api/v1/acceptance-tests/", asked, format="json")
    assert (test.status_code, test.json()["state"], test.json()["graded"]) == (201, "open", 0)
    assert test.json()["left_out"][0]["n"] == 12
    away(11, first=8100)
    url = f"/api/v1/acceptance-tests/{test.json()['id']}/"
    assert api(admin).post(f"{url}draw/").json()["waiting"] == 10
    run_all()
    shown = api(admin).get(url).json()
    assert (shown["state"], shown["place"], shown["figures"]["here"]["n"]) == ("complete", AWAY, 10)
    answer = {"decision": "accept", "reason": "As at home."}
    decided = api(admin).post(f"{url}decide/", answer, format="json").json()
    assert (decided["state"], decided["decisions"][0]["reason"]) == ("accept", "As at home.")
    assert api(admin).get("/api/v1/acceptance-tests/").json()["results"][0]["state"] == "accept"
    assert api(admin).post(f"{url}decide/", answer, format="json").status_code == 409
