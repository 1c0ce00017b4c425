"""What people and devices call body parts, views and sides, and when two of them contradict each other."""

import pytest

from images import anatomy
from images.models import Project
from images.services import create_project, update_project
from mediscan_site.core.errors import Invalid


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("body_part", "Chest", "THORAX"),
        ("body_part", "chest", "Lungs (both)"),
        ("body_part", "CHESTABDOMEN", "abdomen"),
        ("body_part", "CSPINE", "spine"),
        ("view", "frontal", "PA"),
        ("view", "AP", "front"),
        ("view", "LATERAL", "left lateral"),
        ("view", "RL", "side"),
        ("laterality", "L", "left"),
        ("laterality", "R", "Rechts"),
    ],
)
def test_words_for_the_same_do_not_contradict(kind, one, other):
    assert anatomy.meanings(kind, one) and anatomy.meanings(kind, other)
    assert not anatomy.contradict(kind, one, other)
    assert not anatomy.contradict(kind, other, one)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("body_part", "chest", "HAND"),
        ("body_part", "abdomen", "brain"),
        ("view", "PA", "AP"),
        ("view", "frontal", "left lateral"),
        ("view", "MLO", "CC"),
        ("laterality", "left", "R"),
    ],
)
def test_words_for_different_things_contradict(kind, one, other):
    assert anatomy.contradict(kind, one, other)
    assert anatomy.contradict(kind, other, one)


@pytest.mark.parametrize("unknown", ["", "ROUTINE", "???", "12", "unbekannt"])
@pytest.mark.parametrize("kind", ["body_part", "view", "laterality"])
def test_what_is_not_known_contradicts_nothing(kind, unknown):
    assert not anatomy.contradict(kind, "chest PA left", unknown)
    assert not anatomy.contradict(kind, unknown, "chest PA left")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["intended_body_part", "intended_view", "intended_laterality"])
def test_a_project_is_not_told_what_would_never_contradict_a_scan(admin, project, name):
    with pytest.raises(Invalid, match="known here") as refused:
        update_project(actor=admin, project=project, changes={name: "blorb"})
    assert refused.value.attr == name
    assert "for example" in str(refused.value)


@pytest.mark.django_db
def test_the_youngest_is_not_older_than_the_oldest(admin, project):
    changed = update_project(actor=admin, project=project, changes={"intended_age_min": 18})
    with pytest.raises(Invalid, match="must not be older"):
        update_project(actor=admin, project=changed, changes={"intended_age_max": 5})
    with pytest.raises(Invalid, match="must not be older"):
        create_project(actor=admin, name="P", classes=["a", "b"], intended_age_min=9.0, intended_age_max=3.0)
    assert Project.objects.get(pk=project.pk).intended_age_max is None


@pytest.mark.django_db
@pytest.mark.parametrize("age", [-1, 131, "old", True, float("nan")])
def test_an_age_that_nobody_has_is_refused(admin, project, age):
    with pytest.raises(Invalid, match="number of years"):
        update_project(actor=admin, project=project, changes={"intended_age_min": age})


@pytest.mark.django_db
def test_what_a_project_is_for_goes_in_and_out_by_the_api_and_is_taken_back(api, admin, project):
    path = f"/api/v1/projects/{project.pk}/"
    told = {"intended_body_part": "chest", "intended_view": "PA", "intended_age_min": 1, "intended_age_max": 5.5}
    answer = api(admin).patch(path, told, format="json")
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in told} == told
    answer = api(admin).patch(path, {"intended_view": "", "intended_age_min": None}, format="json")
    assert (answer.json()["intended_view"], answer.json()["intended_age_min"]) == ("", None)
    answer = api(admin).patch(path, {"intended_view": "blorb"}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "intended_view"
