"""Projects and their classes."""

import pytest

from images.models import RESEARCH_USE, Project, ProjectClass
from images.services import add_class, create_project, grant, rename_class, retire_class, update_project
from mediscan_site.core.errors import Conflict, DomainError, Forbidden, Invalid, Stale
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db


def names(project: Project) -> list[str]:
    rows = ProjectClass.objects.filter(project=project, retired_at__isnull=True).order_by("position")
    return [row.name for row in rows]


def test_a_new_project_says_research_use_and_keeps_its_classes_in_order(admin):
    project = create_project(actor=admin, name=" Hips ", classes=["b", "a", " c "])
    assert project.name == "Hips"
    assert names(project) == ["b", "a", "c"]
    assert project.intended_use == project.limitations == RESEARCH_USE
    assert project.four_eyes and project.laterality_matters and project.coverage_target == 0.9
    assert AuditEvent.objects.get(action="project.create").project == project.pk


def test_only_an_administrator_makes_a_project(author):
    with pytest.raises(Forbidden):
        create_project(actor=author, name="Mine", classes=["a", "b"])


@pytest.mark.parametrize(
    "classes",
    [
        [],
        ["one"],
        ["a", "A "],
        ["a", ""],
        ["a", "b\x00c"],
        ["a", "b\u202ec"],
        ["a", "x" * 121],
        ["a", "../b"],
        "ab",
        None,
        [["a"], "b"],
        [f"c{n}" for n in range(1001)],
    ],
)
def test_wrong_classes_are_refused_by_name_and_nothing_is_written(admin, classes):
    with pytest.raises(Invalid) as caught:
        create_project(actor=admin, name="P", classes=classes)
    assert caught.value.attr == "classes"
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 121),
        ("name", "a\nb"),
        ("coverage_target", 0),
        ("coverage_target", 1.5),
        ("coverage_target", float("nan")),
        ("coverage_target", "many"),
        ("four_eyes", "yes"),
        ("intended_use", "a\x00"),
        ("modality", "x" * 41),
    ],
)
def test_a_wrong_setting_is_refused_by_name(admin, field, value):
    given = {"name": "P", "classes": ["a", "b"], field: value}
    with pytest.raises(Invalid) as caught:
        create_project(actor=admin, **given)
    assert caught.value.attr == field


def test_two_projects_cannot_have_one_name(project, admin):
    with pytest.raises(Conflict) as caught:
        create_project(actor=admin, name=project.name, classes=["a", "b"])
    assert caught.value.attr == "name"


def test_an_update_needs_the_version_that_was_seen(project, admin):
    changed = update_project(actor=admin, project=project, changes={"modality": "CT"}, expected_version=1)
    assert (changed.modality, changed.version) == ("CT", 2)
    with pytest.raises(Stale):
        update_project(actor=admin, project=project, changes={"modality": "MR"}, expected_version=1)


def test_classes_are_added_ordered_retired_and_brought_back_under_their_ids(project, admin):
    before = {row.name: row.pk for row in project.class_rows.all()}
    update_project(actor=admin, project=project, changes={"classes": ["EFFUSION", "OPACITY"]})
    assert names(project) == ["EFFUSION", "OPACITY"]
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY", "EFFUSION"]})
    after = {row.name: row.pk for row in ProjectClass.objects.filter(project=project)}
    assert names(project) == ["NORMAL", "OPACITY", "EFFUSION"]
    assert before.items() <= after.items()


def test_a_class_is_renamed_by_id_and_labels_would_follow(project, admin):
    row = project.class_rows.get(name="OPACITY")
    update_project(actor=admin, project=project, changes={"class_rows": [{"id": row.pk, "name": "PNEUMONIA"}]})
    assert ProjectClass.objects.get(pk=row.pk).name == "PNEUMONIA"
    for wrong in ([{"id": 10**6, "name": "x"}], [{"id": row.pk, "name": "normal"}], ["x"]):
        with pytest.raises(DomainError):
            update_project(actor=admin, project=project, changes={"class_rows": wrong})


def test_single_class_changes_keep_at_least_two_classes(project, admin):
    normal = project.class_rows.get(name="NORMAL")
    with pytest.raises(Conflict):
        retire_class(actor=admin, project_class=normal)
    added = add_class(actor=admin, project=project, name="EFFUSION")
    retire_class(actor=admin, project_class=normal)
    rename_class(actor=admin, project_class=added, name="FLUID")
    assert names(project) == ["OPACITY", "FLUID"]
    assert add_class(actor=admin, project=project, name="normal").pk == normal.pk
    with pytest.raises(Conflict):
        add_class(actor=admin, project=project, name="Fluid")


def test_members_change_nothing_and_managers_cannot_switch_off_four_eyes(project, admin, author):
    with pytest.raises(Forbidden):
        update_project(actor=author, project=project, changes={"modality": "CT"})
    grant(actor=admin, project=project, user=author, codename="manage_project")
    update_project(actor=author, project=project, changes={"modality": "CT"})
    with pytest.raises(Forbidden):
        update_project(actor=author, project=project, changes={"four_eyes": False})
    assert Project.objects.get(pk=project.pk).four_eyes
