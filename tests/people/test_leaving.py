"""Whoever leaves is told nothing more, and a link of an invitation never outlives it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from images.services import remove_member
from mediscan_site.core import invitations, services
from mediscan_site.core.messages.services import tell
from mediscan_site.core.models import Invitation, Message, Role, User
from mediscan_site.front.tasks import mail_messages

pytestmark = pytest.mark.django_db
SITE = "https://mediscan.hospital.example"


def test_who_left_a_project_gets_no_mail_of_it_any_more(author, admin, project):
    services.set_preferences(actor=author, values={"mail_notices": True})
    for key, place in (("run:1", project.pk), ("backup:1", None)):
        tell([author], "run_ended", key=key, url="/", facts={"code": key, "project": project.name}, project=place)
    remove_member(actor=admin, project=project, user=author)
    mail_messages(0)
    [letter] = mail.outbox
    assert "backup:1 in" in letter.body
    assert "run:1" not in letter.body
    assert set(Message.objects.values_list("key", "mail")) == {("run:1", "none"), ("backup:1", "sent")}


@pytest.fixture
def invited(admin) -> User:
    return invitations.invite(actor=admin, username="dr9", email="dr9@hospital.example", base_url=SITE)[0].user


def test_a_link_made_late_ends_with_its_invitation(admin, invited, client):
    Invitation.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    link = invitations.hand_over(actor=admin, user=invited, base_url=SITE).removeprefix(SITE)
    assert client.get(link).status_code == 302
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(link).status_code == 200
    assert not invitations.Links().check_token(invited, link.split("/")[-2])


def test_a_link_is_handed_over_inside_one_transaction(admin, invited, monkeypatch):
    """Where rows can be locked, locking one outside a transaction is an error; SQLite would not say so."""
    seen = []
    known = invitations._unaccepted
    monkeypatch.setattr(
        invitations,
        "_unaccepted",
        lambda user: seen.append(len(invitations.transaction.get_connection().savepoint_ids)) or known(user),
    )
    outside = len(invitations.transaction.get_connection().savepoint_ids)
    invitations.hand_over(actor=admin, user=invited, base_url=SITE)
    assert seen == [outside + 1]


def test_an_inviter_who_is_no_administrator_any_more_is_not_told_of_accounts(admin, invited):
    User.objects.filter(pk=admin.pk).update(role=Role.DOCTOR, is_staff=False, is_superuser=False)
    services.set_password(actor=invited, user=invited, password="another horse, another staple")
    assert not Message.objects.filter(kind="invitation_accepted").exists()
