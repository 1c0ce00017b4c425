"""Tags: words on scans, and what becomes of them."""

import pytest

from images.models import ImageTag, Tag
from images.services import delete_scan, delete_tag, grant, rename_tag, tag_scans, update_many
from images.services.tags import MOST_ON_A_SCAN
from mediscan_site.core.errors import Forbidden, Invalid
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db


def words(client, scan) -> list[str]:
    return client.get(f"/api/v1/images/{scan.pk}/").json()["tags"]


def test_one_word_is_one_tag_however_it_is_typed(api, author, store):
    first, second, client = store(1), store(2), api(author)
    client.post(f"/api/v1/images/{first.pk}/tags/", {"add": ["Discuss", "für  Lehre"]}, format="json")
    body = {"images": [first.code, second.pk], "add": ["DISCUSS"], "remove": ["für  Lehre"], "expected_count": 2}
    assert client.post("/api/v1/images/bulk/tags/", body, format="json").json()["succeeded"] == 2
    assert words(client, first) == words(client, second) == ["Discuss"]
    # What changed nothing is no event, and no event has a word in it.
    events = AuditEvent.objects.filter(action="scan.tag").order_by("pk")
    assert [(event.object_id, len(event.details["added"])) for event in events] == [
        (str(first.pk), 2), (str(first.pk), 0), (str(second.pk), 1)
    ]  # fmt: skip
    assert "iscuss" not in str([event.details for event in events])
    listed = client.get(f"/api/v1/projects/{first.project_id}/tags/").json()["results"]
    assert [(tag["name"], tag["scans"]) for tag in listed] == [("Discuss", 2), ("für  Lehre", 0)]


def test_scans_are_found_by_tag_and_by_list(api, author, store):
    first, second, third = store(1), store(2), store(3)
    tag_scans(actor=author, images=[first, third], add=["Discuss"])
    client, tag = api(author), Tag.objects.get()
    for query, found in (
        ("tag=discuss", [first, third]),
        (f"tag={tag.pk}", [first, third]),
        ("tag=other", []),
        (f"ids={second.code},{third.pk},x", [second, third]),
    ):
        rows = client.get(f"/api/v1/images/?ordering=id&{query}").json()["results"]
        assert [row["id"] for row in rows] == [scan.pk for scan in found], query


def test_renaming_a_tag_into_another_makes_them_one(api, author, admin, project, store):
    first, second = store(1), store(2)
    tag_scans(actor=author, images=[first, second], add=["follow-up"])
    tag_scans(actor=author, images=[second], add=["followup"])
    old, new = Tag.objects.order_by("pk")
    with pytest.raises(Forbidden):
        rename_tag(actor=author, tag=old, name="x")
    grant(actor=admin, project=project, user=author, codename="manage_project")
    url = f"/api/v1/projects/{project.pk}/tags/{old.pk}/"
    assert api(author).patch(url, {"name": "FollowUp"}, format="json").json() == {
        "id": new.pk, "name": "followup", "scans": 2, "created_at": new.created_at.isoformat().replace("+00:00", "Z")
    }  # fmt: skip
    assert ImageTag.objects.filter(tag=new).count() == ImageTag.objects.count() == 2
    delete_tag(actor=author, tag=new)
    assert not ImageTag.objects.exists()


def test_a_word_that_was_on_no_other_scan_goes_with_the_erased_one(admin, author, store):
    first, second = store(1), store(2)
    tag_scans(actor=author, images=[first], add=["Mrs. Miller"])
    tag_scans(actor=author, images=[first, second], add=["discuss"])
    delete_scan(actor=admin, image=first)
    assert [tag.name for tag in Tag.objects.all()] == ["discuss"]
    assert [row.image for row in ImageTag.objects.all()] == [second]


def test_too_long_too_many_and_commas_are_refused(author, store):
    first, second = store(1), store(2)
    for name in ("x" * 41, "a,b", "", "a\nb"):
        with pytest.raises(Invalid):
            tag_scans(actor=author, images=[first], add=[name])
    for start in range(0, MOST_ON_A_SCAN, 10):
        tag_scans(actor=author, images=[first], add=[f"tag {n}" for n in range(start, start + 10)])
    one, other = tag_scans(actor=author, images=[first, second], add=["one more"])
    assert (one.ok, one.code, other.ok) == (False, "too_many_tags", True)


def test_splits_of_many_go_by_the_rules_of_one(api, author, store):
    free, fixed = store(1), store(2)
    type(fixed).objects.filter(pk=fixed.pk).update(split_locked=True)
    body = {"images": [free.pk, fixed.pk], "changes": {"split": "test", "use_for_training": False}}
    answer = api(author).post("/api/v1/images/bulk/", body, format="json").json()
    assert [(result["ok"], result["code"]) for result in answer["results"]] == [(True, ""), (False, "split_locked")]
    free.refresh_from_db()
    assert (free.split, free.use_for_training) == ("test", False)
    with pytest.raises(Invalid):
        update_many(actor=author, images=[free], changes={"external_id": "x"})
