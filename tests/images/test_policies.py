"""What exists for whom, and who may do what."""

import pytest
from django.contrib.auth.models import AnonymousUser
from guardian.shortcuts import assign_perm, remove_perm

from images import policies
from images.models import Project
from images.services import add_member, grant, remove_member, revoke
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound
from mediscan_site.core.models import AuditEvent


@pytest.mark.django_db
def test_a_member_sees_the_project_and_has_the_five_rights_of_members(project, author):
    assert list(policies.visible_projects(author)) == [project]
    assert policies.permissions(author, project) == frozenset(policies.MEMBER_PERMISSIONS)


@pytest.mark.django_db
def test_an_administrator_sees_and_may_everything_without_being_a_member(project, admin):
    assert list(policies.visible_projects(admin)) == [project]
    assert policies.permissions(admin, project) == frozenset(policies.PERMISSIONS)


@pytest.mark.django_db
def test_nobody_else_sees_anything(project, store, outsider, inactive, author):
    store(1)
    author.is_active = False
    for user in (outsider, inactive, author, AnonymousUser()):
        assert not policies.visible_projects(user).exists()
        assert not policies.visible_scans(user).exists()
        assert not policies.permissions(user, project)


@pytest.mark.django_db
def test_an_inactive_administrator_sees_nothing(project, admin):
    admin.is_active = False
    assert not policies.visible_projects(admin).exists()
    assert not policies.can(admin, "view_project", project)


@pytest.mark.django_db
def test_a_global_permission_shows_no_project(project, outsider):
    assign_perm("images.view_project", outsider)
    fresh = type(outsider).objects.get(pk=outsider.pk)
    assert not policies.visible_projects(fresh).exists()
    assert not policies.can(fresh, "view_project", project)


@pytest.mark.django_db
def test_require_says_not_found_to_who_cannot_see_and_forbidden_to_who_may_not(project, author, outsider):
    with pytest.raises(NotFound):
        policies.require(outsider, "label_image", project)
    with pytest.raises(Forbidden):
        policies.require(author, "train_model", project)
    policies.require(author, "label_image", project)


@pytest.mark.django_db
def test_a_right_without_the_right_to_view_is_worth_nothing(project, outsider):
    assign_perm("label_image", outsider, project)
    assert not policies.can(outsider, "label_image", project)


@pytest.mark.django_db
def test_an_administrator_grants_and_revokes_a_right_and_both_are_audited(project, admin, author):
    grant(actor=admin, project=project, user=author, codename="train_model")
    assert policies.can(author, "train_model", project)
    revoke(actor=admin, project=project, user=author, codename="train_model")
    assert not policies.can(author, "train_model", project)
    events = AuditEvent.objects.filter(action__startswith="permission.").order_by("id")
    assert [(event.action, event.details) for event in events] == [
        ("permission.grant", {"user": author.pk, "permission": "train_model"}),
        ("permission.revoke", {"user": author.pk, "permission": "train_model"}),
    ]


@pytest.mark.django_db
def test_who_manages_a_project_adds_members_but_cannot_raise_their_own_rights(project, admin, author, outsider):
    grant(actor=admin, project=project, user=author, codename="manage_project")
    add_member(actor=author, project=project, user=outsider)
    assert policies.can(outsider, "view_project", project)
    with pytest.raises(Forbidden):
        grant(actor=author, project=project, user=author, codename="deploy_model")


@pytest.mark.django_db
def test_a_removed_member_loses_every_right(project, admin, author):
    grant(actor=admin, project=project, user=author, codename="view_audit")
    remove_member(actor=admin, project=project, user=author)
    assert not policies.visible_projects(author).exists()
    add_member(actor=admin, project=project, user=author)
    assert not policies.can(author, "view_audit", project)


@pytest.mark.django_db
def test_membership_mistakes_are_named(project, admin, author, outsider, inactive):
    with pytest.raises(Conflict):
        add_member(actor=admin, project=project, user=author)
    with pytest.raises(Invalid):
        add_member(actor=admin, project=project, user=inactive)
    with pytest.raises(NotFound):
        remove_member(actor=admin, project=project, user=outsider)
    with pytest.raises(NotFound):
        grant(actor=admin, project=project, user=outsider, codename="train_model")
    with pytest.raises(Invalid):
        grant(actor=admin, project=project, user=author, codename="fly")
    with pytest.raises(Invalid):
        revoke(actor=admin, project=project, user=author, codename="view_project")


@pytest.mark.django_db
def test_rights_die_with_their_project(project, admin, author):
    number = project.pk
    project.delete()
    Project.objects.create(pk=number, name="Another", created_by=admin)
    assert not policies.visible_projects(author).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("codename", sorted(set(policies.PERMISSIONS) - {policies.VIEW}))
def test_who_may_not_is_told_in_words_what_the_right_allows(project, author, codename):
    remove_perm(codename, author, project)
    words = dict(Project._meta.permissions)[codename].removeprefix("Can ")
    with pytest.raises(Forbidden) as refused:
        policies.require(author, codename, project)
    assert refused.value.detail == f"You may not {words} in this project. Ask an administrator for this right."
