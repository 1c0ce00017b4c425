"""The API of what the pages of versions show: the answers behind an evaluation's figures, and two versions compared."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import GoldScan
from models_registry.models import BlindRead, ScanAnswer
from tests.pages.test_browsing_pages import measured, split  # noqa: F401

pytestmark = pytest.mark.django_db


def answers(client, model, **asked):
    return client.get(f"/api/v1/evaluations/{model.evaluations.get().pk}/answers/", asked)


def test_the_answers_are_those_of_the_gallery_surest_first_in_pages(api, author, measured):  # noqa: F811
    model = measured()
    first = answers(api(author), model, page_size=5).json()
    seen, url = first["results"], first["next"]
    while url:
        page = api(author).get(url).json()
        seen, url = seen + page["results"], page["next"]
    assert len({row["image"] for row in seen}) == len(seen) == 12
    assert [row["confidence"] for row in seen] == sorted((row["confidence"] for row in seen), reverse=True)
    for row in seen:
        assert row["probabilities"][row["predicted"]] == max(row["probabilities"].values())
        assert row["probabilities"][row["predicted"]] == pytest.approx(row["confidence"], abs=1e-4)
        assert row["right"] is (row["true"] == row["predicted"])
    csv = b"".join(answers(api(author), model, format="csv")).decode().splitlines()
    assert csv[0] == "id,image,true,predicted,right,confidence,probabilities" and len(csv) == 13


def test_each_cell_of_the_matrix_has_its_scans_and_each_cell_at_a_cut_off(api, author, measured):  # noqa: F811
    model = measured()
    names, matrix = ("NORMAL", "OPACITY"), model.evaluations.get().metrics["confusion_matrix"]
    for place, true in enumerate(names):
        for other, predicted in enumerate(names):
            found = answers(api(author), model, true=true, predicted=predicted).json()["results"]
            assert len(found) == matrix[place][other]
            assert {(row["true"], row["predicted"]) for row in found} <= {(true, predicted)}
    wrong = answers(api(author), model, right="false").json()["results"]
    assert len(wrong) == matrix[0][1] + matrix[1][0]
    at = {
        cell: len(answers(api(author), model, cell=cell, positive="OPACITY", cutoff=0.35).json()["results"])
        for cell in ("tp", "fn", "fp", "tn")
    }
    shares = [row.shares[1] >= 0.35 for row in ScanAnswer.objects.filter(truth__name="OPACITY")]
    assert (at["tp"], at["fn"]) == (sum(shares), len(shares) - sum(shares)) and sum(at.values()) == 12


@pytest.mark.parametrize(
    ("asked", "attr"),
    [
        ({"true": "ZEBRA"}, "true"),
        ({"cell": "tp"}, "positive"),
        ({"cell": "no", "positive": "OPACITY"}, "cell"),
        ({"cell": "tp", "positive": "OPACITY", "true": "NORMAL"}, "cell"),
        ({"low": "2"}, "low"),
        ({"cutoff": "nan"}, "cutoff"),
    ],
)
def test_what_makes_no_sense_is_refused(api, author, measured, asked, attr):  # noqa: F811
    answer = answers(api(author), measured(), **asked)
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, attr)


def test_what_is_covered_from_a_reader_is_not_told(api, admin, author, project, measured, answered):  # noqa: F811
    model = measured()
    read, gold = (ScanAnswer.objects.order_by("pk")[place].image for place in (3, 4))
    grade = answered(seed=77)
    type(grade).objects.filter(pk=grade.pk).update(image=read)
    until = timezone.now() + timedelta(minutes=5)
    BlindRead.objects.create(project=project, grade_id=grade.pk, share=0.1, holder=author, held_until=until)
    seen = {row["image"] for row in answers(api(author), model).json()["results"]}
    assert read.code not in seen and len(seen) == 11
    type(gold).objects.filter(pk=gold.pk).update(label_status="labeled", approval_status="approved")
    gold.labels.update(reader=admin)
    GoldScan.objects.create(image=gold, marked_by=admin)
    assert gold.code not in {row["image"] for row in answers(api(author), model).json()["results"]}
    assert len(answers(api(admin), model).json()["results"]) == 12


def test_two_versions_are_compared_as_the_page_does(api, author, outsider, measured):  # noqa: F811
    first, second = measured(power=3), measured(power=-1, seed=1)
    told = api(author).get(f"/api/v1/models/{first.code}/compare/", {"other": second.code}).json()
    assert (told["first"], told["second"], told["available"]) == (first.code, second.code, True)
    assert told["tests"]["n"] == 12 and told["classes"] == ["NORMAL", "OPACITY"]
    assert [sum(map(sum, matrix)) for matrix in told["matrices"]] == [12, 12]
    counts = told["counts"]
    assert counts["all"] == counts["first"] + counts["second"] + counts["neither"] == len(told["differing"])
    only = api(author).get(f"/api/v1/models/{first.pk}/compare/", {"other": second.pk, "right": "first"}).json()
    assert len(only["differing"]) == counts["first"] > 0
    assert all([said["right"] for said in row["said"]] == [True, False] for row in only["differing"])
    assert api(outsider).get(f"/api/v1/models/{first.pk}/compare/", {"other": second.pk}).status_code == 404


def test_what_cannot_be_compared_says_why(api, admin, author, measured, make_version):  # noqa: F811
    model, old = measured(), make_version(seed=7)
    told = api(author).get(f"/api/v1/models/{model.code}/compare/", {"other": old.code}).json()
    assert not told["available"] and "no evaluation kept" in told["reason"]
    for other in (model.code, "model999", ""):
        answer = api(author).get(f"/api/v1/models/{model.code}/compare/", {"other": other})
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "other")
