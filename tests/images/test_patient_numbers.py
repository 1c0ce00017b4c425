"""Who may ask for a patient by number: only whoever may look up the patient behind a pseudonym, and on record."""

import pytest

from images.facts import keyed
from images.services import grant
from images.services.patients import merge_patients
from labeling.exports.services import start_export
from mediscan_site.core.errors import Forbidden
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db
NUMBER = "MRN-4711"
LISTS = ("/api/v1/images/", "/api/v1/history/", "/api/v1/grades/")
# Known, unknown, as a pseudonym almost is, hostile.
NUMBERS = (NUMBER, NUMBER.lower(), "MRN-4712", "P" + "A" * 15, "p" + "a" * 16, "x" * 5000, "' OR 1=1 --", "\u0130")


@pytest.fixture
def scan(make_scan):
    return make_scan(seed=1, patient=NUMBER)


@pytest.fixture
def holder(project, admin, colleague):
    grant(actor=admin, project=project, user=colleague, codename="reidentify")
    return colleague


def searches():
    return AuditEvent.objects.filter(action="patient.search")


def hidden(text: str) -> bool:
    return NUMBER.lower() not in text.lower()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("csv", [{}, {"format": "csv"}])
def test_a_member_gets_one_answer_for_every_number(api, author, project, scan, path, csv):
    answers = set()
    for number in NUMBERS:
        for where in ({}, {"project": project.pk}, {"project": 999}):
            answer = api(author).get(path, {"patient": number, **where, **csv})
            answers.add((answer.status_code, answer.content))
    ((status, body),) = answers
    assert (status, b"pseudonym_only" in body) == (403, True)
    assert not searches().exists()


def test_a_member_finds_by_pseudonym(api, author, project, scan):
    client = api(author)
    for value, expected in ((scan.patient, [scan.pk]), (f" {scan.patient} ", [scan.pk]), ("P" + "A" * 16, [])):
        rows = client.get("/api/v1/images/", {"patient": value}).json()["results"]
        assert [row["id"] for row in rows] == expected
    assert not searches().exists()


@pytest.mark.parametrize("url", ["/projects/{}/scans/", "/history/"])
def test_pages_refuse_numbers_with_the_remedy(client, author, project, scan, url):
    client.force_login(author)
    for number in (NUMBER, "MRN-4712"):
        answer = client.get(url.format(project.pk), {"patient": number})
        assert (answer.status_code, "pseudonym" in answer.content.decode()) == (403, True)
    assert client.get(url.format(project.pk), {"patient": scan.patient}).status_code == 200


def test_whoever_may_reidentify_searches_by_number_and_it_is_on_record(api, holder, project, scan):
    rows = api(holder).get("/api/v1/images/", {"patient": NUMBER.lower()}).json()["results"]
    assert [row["id"] for row in rows] == [scan.pk]
    event = searches().get()
    assert (event.actor, event.project, event.details) == (
        holder,
        project.pk,
        {"pseudonym": scan.patient, "found": True},
    )
    assert api(holder).get("/api/v1/images/", {"patient": "MRN-4712", "project": project.pk}).json()["results"] == []
    assert searches().last().details == {"pseudonym": keyed(project.pk, "MRN-4712"), "found": False}
    assert hidden(str(list(searches().values())))


def test_the_right_holds_in_its_project_alone(api, holder, admin, author, scan):
    from images.services import add_member, create_project

    other = create_project(actor=admin, name="Other", classes=["A", "B"])
    add_member(actor=admin, project=other, user=holder)
    answer = api(holder).get("/api/v1/images/", {"patient": NUMBER, "project": other.pk})
    assert answer.status_code == 403
    assert len(api(holder).get("/api/v1/images/", {"patient": NUMBER}).json()["results"]) == 1
    assert len(api(admin).get("/api/v1/history/", {"patient": NUMBER}).json()["results"]) == 0
    assert api(admin).get("/api/v1/images/", {"patient": "9", "project": 999}).json()["results"] == []


def test_a_page_goes_on_with_the_pseudonym_and_counts_once(client, holder, project, scan):
    client.force_login(holder)
    url = f"/projects/{project.pk}/scans/"
    sent_on = client.get(url, {"patient": NUMBER, "split": ""})
    assert sent_on.status_code == 302
    assert scan.patient in sent_on["Location"] and hidden(sent_on["Location"])
    page = client.get(sent_on["Location"]).content.decode()
    assert scan.code in page and hidden(page)
    assert searches().count() == 1
    assert client.get("/projects/999/scans/", {"patient": NUMBER}).status_code == 404


@pytest.mark.parametrize("flat", [True, False])
def test_an_export_by_number_is_the_same_search(api, author, holder, project, scan, flat):
    body = {"project": project.pk, **({"patient": NUMBER} if flat else {"filters": {"patient": NUMBER}})}
    refused = api(author).post("/api/v1/exports/", body, format="json")
    unknown = api(author).post("/api/v1/exports/", {"project": project.pk, "patient": "MRN-4712"}, format="json")
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.status_code == 403
    assert api(holder).post("/api/v1/exports/", body, format="json").status_code == 202
    assert searches().get().details["pseudonym"] == scan.patient
    assert start_export(actor=author, project=project, filters={"patient": scan.patient}).filters == {
        "patient": scan.patient
    }


def test_managing_a_project_does_not_allow_to_try_numbers(project, admin, author, scan, make_scan):
    other = make_scan(seed=2, patient="MRN-2")
    grant(actor=admin, project=project, user=author, codename="manage_project")
    for source, target in ((NUMBER, other.patient), ("MRN-9", other.patient), (other.patient, NUMBER)):
        with pytest.raises(Forbidden, match="pseudonym"):
            merge_patients(actor=author, project=project, source=source, target=target)
    assert merge_patients(actor=author, project=project, source=other.patient, target=scan.patient) == 1


def test_the_merge_form_says_it_next_to_the_field(client, project, admin, author, scan):
    grant(actor=admin, project=project, user=author, codename="manage_project")
    client.force_login(author)
    answer = client.post(f"/projects/{project.pk}/merge-patients/", {"source": NUMBER, "target": scan.patient})
    assert (answer.status_code, "pseudonym that the scan shows" in answer.content.decode()) == (400, True)


def test_a_number_typed_as_a_pseudonym_is_not_written_down(api, holder, project, scan):
    body = {"pseudonym": NUMBER, "reason": "a call"}
    answer = api(holder).post(f"/api/v1/projects/{project.pk}/reidentify/", body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "pseudonym")
    assert hidden(str(list(AuditEvent.objects.values())))


def test_the_admin_site_has_no_search_for_patients(admin):
    from django.contrib import admin as site

    from images.models import Image, PatientIdentity

    assert [site.site._registry[model].search_fields for model in (Image, PatientIdentity)] == [(), ()]


def test_changing_one_scan_again_and_again_is_no_way_to_try_numbers(api, author, holder, make_scan, monkeypatch):
    monkeypatch.setattr("images.services.naming.NUMBERS_PER_HOUR", 5)
    own = make_scan(seed=3)

    def change(who, value) -> int:
        return api(who).patch(f"/api/v1/images/{own.pk}/", {"patient": value}, format="json").status_code

    assert [change(author, f"MRN-{number}") for number in range(7)] == [200] * 5 + [429] * 2
    answer = api(author).patch(f"/api/v1/images/{own.pk}/", {"patient": "MRN-9"}, format="json")
    assert (answer["Retry-After"], answer.json()["errors"][0]["code"]) == ("3600", "too_often")
    assert change(author, "P" + "A" * 16) == 200
    assert change(author, None) == 200
    assert [change(holder, f"MRN-{number}") for number in range(7)] == [200] * 7
