"""Inviting by the API: the rules of the page, and a link that is told once where no mail goes out."""

import pytest
from django.core import mail
from django.test import Client

from images.models import ProjectUserObjectPermission
from images.policies import TEMPLATES
from mediscan_site.core import invitations
from mediscan_site.core.models import AuditEvent, Invitation, User

pytestmark = pytest.mark.django_db
URL = "/api/v1/users/invite/"


def body(project, **said):
    place = {"project": project.pk, "work": "reviewer"}
    return {"username": "dr9", "email": "dr9@hospital.example", "projects": [place], **said}


def test_an_invitation_is_mailed_and_gives_the_rights_of_the_page(api, admin, project):
    answer = api(admin).post(URL, body(project), format="json")
    told = answer.json()
    assert (answer.status_code, told["user"]["username"], told["user"]["role"], told["link"]) == (
        201,
        "dr9",
        "doctor",
        None,
    )
    invited = User.objects.get(username="dr9")
    held = ProjectUserObjectPermission.objects.filter(user=invited).values_list("permission__codename", flat=True)
    assert set(held) == set(TEMPLATES["reviewer"][1])
    assert AuditEvent.objects.filter(action="user.invite", actor=admin).count() == 1
    invitations.run(Invitation.objects.get().pk)
    assert [letter.to for letter in mail.outbox] == [["dr9@hospital.example"]]


def test_where_no_mail_goes_out_the_link_is_told_once(api, admin, project, settings):
    settings.SENDS_MAIL = False
    asked = body(project, email="", role="admin")
    assert api(admin).post(URL, asked, format="json", HTTP_IDEMPOTENCY_KEY="one").status_code == 400
    told = api(admin).post(URL, asked, format="json").json()
    assert told["user"]["role"] == "admin"
    path = told["link"].split("/", 3)[3]
    assert "dr9" in Client().get(f"/{path}", follow=True).content.decode()
    again = api(admin).post(f"/api/v1/users/{told['user']['id']}/invitation/")
    assert again.status_code == 201 and again.json()["link"] != told["link"]
    assert "no longer valid" in Client().get(f"/{path}", follow=True).content.decode()
    assert api(admin).delete(f"/api/v1/users/{told['user']['id']}/invitation/").status_code == 204
    assert not User.objects.get(username="dr9").is_active


@pytest.mark.parametrize(
    ("said", "attr"),
    [
        ({"username": "author"}, "username"),
        ({"email": ""}, "email"),
        ({"email": "nowhere"}, "email"),
        ({"role": "chief"}, "role"),
        ({"projects": [{"project": 9999, "work": "reader"}]}, "projects.0.project"),
        ({"projects": "all"}, "projects.non_field_errors"),
    ],
)
def test_what_is_wrong_is_named_and_nobody_is_invited(api, admin, author, project, said, attr):
    answer = api(admin).post(URL, body(project, **said), format="json")
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, attr)
    assert not Invitation.objects.exists() and not User.objects.filter(username="dr9").exists()


def test_one_project_twice_or_unknown_work_is_refused(api, admin, project):
    place = {"project": project.pk, "work": "reader"}
    for places in ([place, place], [{**place, "work": "owner"}]):
        assert api(admin).post(URL, body(project, projects=places), format="json").status_code == 400
    assert not Invitation.objects.exists()


def test_only_administrators_invite(api, author, project):
    assert api(author).post(URL, body(project), format="json").status_code == 403
    assert api(author).post(f"/api/v1/users/{author.pk}/invitation/").status_code == 403
