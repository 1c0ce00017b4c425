"""Notices stand until the trouble is mended; readiness names the part that is not well."""

import pytest
from prometheus_client import REGISTRY

from mediscan_site.core import notices, readiness
from mediscan_site.core.models import Notice


@pytest.mark.django_db
def test_a_notice_is_shown_to_administrators_until_it_is_taken_away(client, admin, author):
    notices.put("objects:damaged", "Three objects are damaged. Run verify_images.")
    client.force_login(admin)
    assert "Three objects are damaged." in client.get("/").content.decode()
    client.force_login(author)
    assert "Three objects are damaged." not in client.get("/").content.decode()
    assert REGISTRY.get_sample_value("mediscan_notices") == 1
    notices.take_away("objects:damaged")
    client.force_login(admin)
    assert "Three objects are damaged." not in client.get("/").content.decode()


@pytest.mark.django_db
def test_a_notice_said_again_is_one_row_with_its_first_date():
    notices.put("disk", "5 % is left.")
    since = Notice.objects.get().since
    notices.put("disk", "4 % is left.")
    assert [(row.sentence, row.since) for row in notices.standing()] == [("4 % is left.", since)]


@pytest.mark.django_db
def test_readiness_says_in_a_word_what_is_wrong_with_a_part(client, monkeypatch):
    def damaged() -> str:
        raise readiness.NotReady("damaged")

    monkeypatch.setitem(readiness._parts, "model", damaged)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["model"] == "damaged"
    assert answer.json()["parts"]["database"] == "ok"
