"""Inviting somebody: an account, its rights and a link that works once, by mail or handed over."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from images.models import ProjectUserObjectPermission
from images.policies import PERMISSIONS, RIGHT_WORDS, TEMPLATES
from mediscan_site.core import invitations, services
from mediscan_site.core.errors import Conflict
from mediscan_site.core.messages.kinds import sentence_of
from mediscan_site.core.models import AuditEvent, Invitation, Message, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "another horse, another staple"


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[1])
    return client


def link_in(text: str) -> str:
    return re.search(r"/invitation/[^\s<]+", text)[0]


@pytest.fixture
def invited(admin, project):
    """By the page, with one project as a reviewer; the mail is sent."""
    form = {"username": "dr9", "email": "dr9@hospital.example", "role": "doctor", f"place_{project.pk}": "reviewer"}
    answer = signed_in(admin).post(reverse("user_new"), form)
    assert answer.status_code == 200
    invitations.run(Invitation.objects.get().pk)
    return User.objects.get(username="dr9")


def test_every_right_has_its_words_and_every_template_lets_see_the_project():
    assert list(RIGHT_WORDS) == list(PERMISSIONS)
    assert all("view_project" in rights and set(rights) <= set(PERMISSIONS) for _name, rights in TEMPLATES.values())


def test_whoever_is_invited_chooses_a_password_is_in_and_has_the_rights_of_the_template(invited, project, admin):
    held = ProjectUserObjectPermission.objects.filter(user=invited).values_list("permission__codename", flat=True)
    assert set(held) == set(TEMPLATES["reviewer"][1])
    [letter] = mail.outbox
    assert letter.to == ["dr9@hospital.example"]
    client = Client()
    page = client.get(link_in(letter.body), follow=True)
    assert "dr9" in page.content.decode()
    done = client.post(page.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})
    assert done["Location"] == reverse("dashboard")
    assert client.get(reverse("project", args=[project.pk])).status_code == 200
    assert Invitation.objects.get().accepted_at is not None
    [told] = Message.objects.filter(user=admin)
    assert sentence_of(told.kind, told.facts) == "dr9 has accepted your invitation."
    assert "no longer valid" in Client().get(link_in(letter.body), follow=True).content.decode()


@pytest.mark.parametrize("what", ["back", "again", "late", "forged"])
def test_a_link_ends_when_it_is_taken_back_sent_again_or_old_and_none_can_be_made_up(invited, admin, what):
    link = link_in(mail.outbox[0].body)
    if what == "late":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(invitations, "LASTS", timedelta(seconds=-1))
            page = Client().get(link, follow=True).content.decode()
    else:
        if what != "forged":
            signed_in(admin).post(reverse("user_invitation", args=[invited.pk]), {"what": what})
        page = Client().get(link if what != "forged" else link[:-3] + "xy/", follow=True).content.decode()
    assert "no longer valid" in page
    invited.refresh_from_db()
    assert invited.is_active is (what != "back")


def test_an_invitation_that_was_taken_back_can_be_sent_again_and_an_accepted_one_neither(invited, admin):
    invitations.take_back(actor=admin, user=invited)
    invitations.invite_again(actor=admin, user=invited, base_url="http://testserver")
    invitations.run(Invitation.objects.get().pk)
    invited.refresh_from_db()
    assert invited.is_active
    services.set_password(actor=invited, user=invited, password=NEW)
    for use_case in (invitations.take_back, invitations.invite_again):
        more = {} if use_case is invitations.take_back else {"base_url": "x"}
        with pytest.raises(Conflict):
            use_case(actor=admin, user=invited, **more)
    assert AuditEvent.objects.filter(action__in=("user.invite", "user.uninvite", "user.join")).count() == 4


def test_while_the_mail_server_is_away_the_invitation_waits_and_goes_out_later(admin, monkeypatch):
    row, link = invitations.invite(actor=admin, username="dr9", email="dr9@hospital.example", base_url="http://x")
    assert link is None
    with monkeypatch.context() as patch:
        patch.setattr(invitations, "send_mail", lambda *letter: (_ for _ in ()).throw(ConnectionRefusedError()))
        invitations.run(row.pk)
    row.refresh_from_db()
    assert (row.status, row.mailed) == ("queued", False)
    invitations.run(row.pk)
    row.refresh_from_db()
    assert (row.status, row.mailed, len(mail.outbox)) == ("succeeded", True, 1)


def test_a_site_without_mail_shows_the_link_once_and_sends_nothing(admin, settings):
    settings.SENDS_MAIL = False
    client = signed_in(admin)
    page = client.post(reverse("user_new"), {"username": "dr9", "role": "doctor"}).content.decode()
    link = link_in(page)
    user = User.objects.get(username="dr9")
    assert link not in client.get(reverse("user", args=[user.pk])).content.decode()
    assert "Choose your password" in Client().get(link, follow=True).content.decode()
    assert mail.outbox == []
    assert not AuditEvent.objects.filter(details__icontains=link.split("/")[3]).exists()


def test_a_refused_form_invites_nobody_and_the_rights_that_no_manager_gives_are_given_by_administrators(admin, project):
    client = signed_in(admin)
    form = {"username": "dr9", "email": "dr9@hospital.example", "role": "doctor", f"place_{project.pk}": "king"}
    assert client.post(reverse("user_new"), form).status_code == 400
    assert not User.objects.filter(username="dr9").exists()
    client.post(reverse("user_new"), {**form, f"place_{project.pk}": "manager"})
    held = ProjectUserObjectPermission.objects.filter(user__username="dr9")
    assert {"manage_project", "view_audit"} <= set(held.values_list("permission__codename", flat=True))


def test_ending_all_sessions_ends_those_of_pages_and_of_the_api_and_a_new_one_begins(admin, author, api):
    page, other = Client(), signed_in(author)
    pair = api().post("/api/v1/auth/token/", {"username": author.username, "password": PASSWORD}, format="json").json()
    page.post(reverse("login"), {"username": author.username, "password": PASSWORD})
    me = {"Authorization": f"Bearer {pair['access']}"}
    assert page.get(reverse("account")).status_code == other.get(reverse("account")).status_code == 200
    signed_in(admin).post(reverse("user_log_out", args=[author.pk]))
    assert page.get(reverse("account")).status_code == other.get(reverse("account")).status_code == 302
    assert api().get("/api/v1/users/me/", headers=me).status_code == 401
    assert api().post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}, format="json").status_code == 401
    page.post(reverse("login"), {"username": author.username, "password": PASSWORD})
    assert page.get(reverse("account")).status_code == 200


def test_logging_out_elsewhere_leaves_this_session(author):
    here, there = signed_in(author), signed_in(author)
    here.post(reverse("log_out_elsewhere"))
    assert (here.get(reverse("account")).status_code, there.get(reverse("account")).status_code) == (200, 302)


def test_the_page_of_an_account_says_that_it_is_locked_and_unlocks_it(admin, author, client):
    for _try in range(settings.AXES_FAILURE_LIMIT):
        client.post(reverse("login"), {"username": author.username, "password": "wrong"})
    address, browser = reverse("user", args=[author.pk]), signed_in(admin)
    assert "Unlock it now" in browser.get(address).content.decode()
    browser.post(reverse("user_unlock", args=[author.pk]))
    assert "Unlock it now" not in browser.get(address).content.decode()


def test_a_list_of_many_people_takes_few_queries(admin, project, django_assert_max_num_queries):
    for number in range(30):
        user = services.create_user(actor=admin, username=f"doctor{number}", email=f"d{number}@hospital.example")
        Invitation.objects.create(user=user, invited_by=admin, expires_at=timezone.now())
    browser = signed_in(admin)
    with django_assert_max_num_queries(12):
        page = browser.get(reverse("user_list"), {"state": "invited", "search": "DOCTOR"}).content.decode()
    assert page.count("invitation expired") == 30


def test_the_last_administrator_stays_and_says_why(admin):
    answer = signed_in(admin).post(reverse("user_active", args=[admin.pk]), {"active": "no"}, follow=True)
    assert "last active administrator" in answer.content.decode()
    assert User.objects.get(pk=admin.pk).is_active


def test_an_administrator_ends_the_token_of_another_on_that_persons_page(admin, author, colleague):
    token, _raw = services.issue_service_token(actor=author, user=author, name="bridge")
    address = reverse("token_end", args=[token.pk])
    assert signed_in(colleague).post(address).status_code == 404
    browser, page = signed_in(admin), reverse("user", args=[author.pk])
    assert address in browser.get(page).content.decode()
    assert browser.post(address)["Location"] == page
    assert address not in browser.get(page).content.decode()


def test_a_token_made_on_the_own_page_is_shown_once_and_ends_there(author):
    browser = signed_in(author)
    form = {"name": "bridge", "scopes": ["read", "upload"], "days": "730"}
    page = browser.post(reverse("token_make"), form).content.decode()
    raw = re.search(r"ms_[\w-]+", page)[0]
    assert raw not in browser.get(reverse("account")).content.decode()
    token = author.service_tokens.get()
    assert token.scopes == ["read", "upload"]
    browser.post(reverse("token_end", args=[token.pk]))
    token.refresh_from_db()
    assert token.revoked_at is not None
