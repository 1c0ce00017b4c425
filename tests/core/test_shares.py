"""Nobody waits behind all of another's work, and nobody may have any amount of it waiting."""

import pytest

from labeling.imports.services import queue_import
from labeling.models import Import, ResumableUpload
from mediscan_site.core import work
from mediscan_site.core.errors import TooMany
from mediscan_site.core.models import WorkStatus
from mediscan_site.core.storage import room
from tests.conftest import member

UPLOADS = "/api/v1/uploads/"


@pytest.fixture
def queue(project, settings):
    settings.WAITING_PER_PERSON = {**settings.WAITING_PER_PERSON, "labeling.Import": 500}

    def queued(person) -> Import:
        batch = Import(project=project, created_by=person, file_name="a.zip")
        queue_import(batch, size=1)
        return batch

    return queued


@pytest.fixture
def done():
    """Whose rows were done, in order: `done.of(row)` is the wake-up of a row."""

    class Done(list):
        def of(self, row: Import) -> None:
            work.in_turn(Import, row.pk, self.run)

        def run(self, pk: int) -> None:
            attempt = work.claim(Import, pk)
            if attempt is not None:
                self.append(Import.objects.get(pk=pk).created_by.username)
                work.finish(Import, pk, attempt, status=WorkStatus.SUCCEEDED)

    return Done()


def test_one_of_mine_comes_before_the_second_of_two_hundred_of_theirs(queue, done, author, colleague):
    theirs = [queue(author) for _ in range(200)]
    done.of(theirs[0])
    done.of(theirs[1])
    mine = queue(colleague)
    for row in [*theirs[2:], mine]:
        done.of(row)
    assert "colleague" in done[:4]
    assert len(done) == 201
    assert not Import.objects.exclude(status=WorkStatus.SUCCEEDED).exists()


def test_three_people_are_served_in_turn(queue, done, author, colleague, project, admin):
    third = member(project, admin, "third")
    rows = [queue(person) for person in (author, colleague, third) for _ in range(4)]
    for row in reversed(rows):
        done.of(row)
    for start in range(0, 12, 3):
        assert set(done[start : start + 3]) == {"author", "colleague", "third"}


def test_who_comes_again_and_again_does_not_come_first_each_time(queue, done, author, colleague):
    theirs = [queue(author) for _ in range(6)]
    for row in theirs:
        again = queue(colleague)
        done.of(row)
        done.of(again)
    assert done[:12].count("author") >= 5


def test_where_another_worker_was_quicker_the_next_row_is_taken(queue, done, author, monkeypatch):
    first, second = queue(author), queue(author)
    claim, stolen = work.claim, []

    def late(model, pk):
        if not stolen:
            stolen.append(claim(model, pk))
            # It was another process that counts it.
            work._claims.count -= 1
        return claim(model, pk)

    monkeypatch.setattr(work, "claim", late)
    done.of(first)
    second.refresh_from_db()
    assert (done, second.status) == (["author"], "succeeded")


def test_a_second_wake_up_of_the_same_row_does_nothing(queue, done, author):
    row = queue(author)
    done.of(row)
    done.of(row)
    assert done == ["author"]


@pytest.mark.parametrize("who", ["author", "admin"])
def test_more_than_a_share_is_refused_and_says_when_to_ask(who, request, queue, settings, colleague):
    settings.WAITING_PER_PERSON = {**settings.WAITING_PER_PERSON, "labeling.Import": 3}
    person = request.getfixturevalue(who)
    rows = [queue(person) for _ in range(3)]
    with pytest.raises(TooMany) as caught:
        queue(person)
    assert (caught.value.status, caught.value.code) == (429, "too_many_imports")
    assert caught.value.retry_after
    assert queue(colleague).pk
    work.request_cancel(Import, rows[0].pk)
    assert queue(person).pk


def test_exports_have_a_share_too(api, author, project, make_scan, settings):
    settings.WAITING_PER_PERSON = {**settings.WAITING_PER_PERSON, "labeling.Export": 1}
    make_scan()
    client = api(author)
    asked = [client.post("/api/v1/exports/", {"project": project.pk}, format="json") for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 429]
    assert int(asked[1]["Retry-After"]) > 0
    assert asked[1].json()["errors"][0]["code"] == "too_many_exports"


def announce(client, project, size: int):
    client.raise_request_exception = False
    return client.post(UPLOADS, {"project": project.pk, "file_name": "a.zip", "size": size}, format="json")


def test_bytes_that_were_announced_count_until_they_arrive(api, author, colleague, project, settings, monkeypatch):
    monkeypatch.setattr(room, "left_in_store", lambda: 10**15)
    client = api(author)
    answers = [announce(client, project, settings.MAX_IMPORT_BYTES) for _ in range(30)]
    assert [answer.status_code for answer in answers] == [201, 201] + [429] * 28
    assert answers[2].json()["errors"][0]["code"] == "too_many_uploads"
    assert int(answers[2]["Retry-After"]) > 0
    assert announce(api(colleague), project, 1000).status_code == 201
    ResumableUpload.objects.filter(created_by=author).update(received=settings.MAX_IMPORT_BYTES)
    assert announce(client, project, 1000).status_code == 201


def test_so_does_their_number(api, author, project, settings):
    settings.MAX_OPEN_UPLOADS = 2
    client = api(author)
    assert [announce(client, project, 1).status_code for _ in range(3)] == [201, 201, 429]


def test_what_the_disk_cannot_hold_is_not_begun(api, author, colleague, project, monkeypatch):
    monkeypatch.setattr(room, "left_in_store", lambda: 1000)
    assert announce(api(author), project, 800).status_code == 201
    refused = announce(api(colleague), project, 300)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (507, "storage_full")
    assert int(refused["Retry-After"]) > 0
