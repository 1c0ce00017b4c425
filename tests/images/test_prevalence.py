"""The prevalence a project expects, and the coverage of its prediction sets: service, API and page."""

import pytest
from django.urls import reverse

from images.services import create_project, retire_class, update_project
from mediscan_site.core.errors import Forbidden, Invalid
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db


def shares(project, *values):
    return {str(row.pk): value for row, value in zip(project.class_rows.all(), values, strict=False)}


def stated(project):
    project.refresh_from_db()
    return project.expected_prevalence


def test_a_prevalence_is_stated_audited_and_taken_back(project, admin):
    wanted = shares(project, 0.9, 0.1)
    changed = update_project(actor=admin, project=project, changes={"expected_prevalence": wanted})
    assert changed.expected_prevalence == wanted
    assert changed.version == project.version + 1
    assert AuditEvent.objects.filter(action="project.update").last().details == {"fields": ["expected_prevalence"]}
    for nothing in ({}, None):
        update_project(actor=admin, project=project, changes={"expected_prevalence": wanted})
        assert (
            update_project(actor=admin, project=project, changes={"expected_prevalence": nothing}).expected_prevalence
            == {}
        )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.9, 0.2), "sum to 1.1"),
        ((0.9, 0.0999), "sum to 0.9999"),
        ((1.0, 0.0), "must be above 0"),
        ((1.2, -0.2), "must be above 0 and at most 1"),
        ((0.5,), "OPACITY is missing"),
        ((float("nan"), 0.5), "must be above 0"),
        ((True, 0.5), "must be above 0"),
        (("much", 0.5), "must be above 0"),
        ((10**400, 0.5), "must be above 0"),
    ],
)
def test_shares_that_cannot_be_are_refused_by_name_and_nothing_is_written(project, admin, values, said):
    with pytest.raises(Invalid, match=said) as caught:
        update_project(
            actor=admin, project=project, changes={"modality": "CT", "expected_prevalence": shares(project, *values)}
        )
    assert caught.value.attr == "expected_prevalence"
    assert stated(project) == {}
    assert project.modality == "X-ray"


def test_shares_are_of_active_classes_of_this_project_only(project, admin):
    other = create_project(actor=admin, name="Other", classes=["a", "b"])
    for wrong in (shares(other, 0.5, 0.5), {"x" * 100: 1.0}, [0.5, 0.5], "0.5"):
        with pytest.raises(Invalid) as caught:
            update_project(actor=admin, project=project, changes={"expected_prevalence": wrong})
        assert caught.value.attr == "expected_prevalence"
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY", "EFFUSION"]})
    retire_class(actor=admin, project_class=project.class_rows.get(name="EFFUSION"))
    with pytest.raises(Invalid, match="not the id of an active class"):
        update_project(actor=admin, project=project, changes={"expected_prevalence": shares(project, 0.5, 0.25, 0.25)})


def test_shares_may_name_the_classes_that_the_same_change_leaves(project, admin):
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY", "EFFUSION"]})
    wanted = shares(project, 0.7, 0.3)
    changes = {"classes": ["NORMAL", "OPACITY"], "expected_prevalence": wanted}
    assert update_project(actor=admin, project=project, changes=changes).expected_prevalence == wanted


def test_who_may_not_manage_a_project_states_no_prevalence(project, author):
    with pytest.raises(Forbidden):
        update_project(actor=author, project=project, changes={"expected_prevalence": shares(project, 0.5, 0.5)})


@pytest.mark.parametrize("value", [0.49, 0.995, 1, "much", None, True, float("nan")])
def test_a_coverage_of_sets_out_of_range_is_refused(project, admin, value):
    with pytest.raises(Invalid, match=r"from 0\.5 to 0\.99") as caught:
        update_project(actor=admin, project=project, changes={"conformal_target": value})
    assert caught.value.attr == "conformal_target"


def test_the_api_takes_shows_and_refuses_both(api, admin, author, project):
    url, wanted = f"/api/v1/projects/{project.pk}/", shares(project, 0.95, 0.05)
    body = {"expected_prevalence": wanted, "conformal_target": 0.95}
    answer = api(admin).patch(url, body, format="json").json()
    assert (answer["expected_prevalence"], answer["conformal_target"]) == (wanted, 0.95)
    assert api(author).get(url).json()["expected_prevalence"] == wanted
    assert api(author).patch(url, body, format="json").status_code == 403
    for wrong, attr in (
        ({"expected_prevalence": shares(project, 0.95, 0.1)}, "expected_prevalence"),
        ({"expected_prevalence": [0.5, 0.5]}, "expected_prevalence"),
        ({"expected_prevalence": shares(project, "x", 1)}, "expected_prevalence"),
        ({"conformal_target": 2}, "conformal_target"),
    ):
        refused = api(admin).patch(url, wrong, format="json")
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["attr"].startswith(attr)
    assert stated(project) == wanted


def test_the_schema_names_the_prevalence(api, admin):
    schema = api(admin).get("/api/schema/?format=json").json()["components"]["schemas"]
    fields = [entry["properties"].get("expected_prevalence") for entry in schema.values() if "properties" in entry]
    shown_and_taken = [field for field in fields if field]
    assert len(shown_and_taken) == 2
    assert all(field["additionalProperties"]["type"] == "number" for field in shown_and_taken)


def test_the_settings_page_takes_and_shows_shares(client, admin, project):
    client.force_login(admin)
    url = reverse("project_settings", args=[project.pk])
    normal, opacity = project.class_rows.all()
    data = {"name": project.name, "coverage_target": "0.9", "intended_use": "x", "limitations": "x"}
    wrong = {f"share_{normal.pk}": "0.9", f"share_{opacity.pk}": "0.2"}
    refused = client.post(url, {**data, **wrong})
    assert refused.status_code == 400
    assert "sum to 1.1" in refused.content.decode()
    right = {f"share_{normal.pk}": "0.9", f"share_{opacity.pk}": "0.1", "conformal_target": "0.8"}
    assert client.post(url, {**data, **right}).status_code == 302
    assert stated(project) == shares(project, 0.9, 0.1)
    assert project.conformal_target == 0.8
    shown = client.get(url).content.decode()
    assert f'id="id_share_{opacity.pk}"' in shown
    assert 'value="0.1"' in shown
    assert client.post(url, data).status_code == 302
    assert stated(project) == {}
    assert project.conformal_target == 0.8
