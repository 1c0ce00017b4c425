"""Agreement and readers as pages and API show them, and a disagreement settled on its page."""

import csv
import io

import pytest
from django.urls import reverse

from images.models import Image
from labeling.models import GoldScan, Label
from labeling.reading import again
from labeling.reading.gold import mark_gold
from labeling.reading.labels import label_scan, mark_ungradable
from labeling.reading.reviews import review_scan
from tests.conftest import member

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def third(project, admin):
    return member(project, admin, "third")


@pytest.fixture
def read(make_scan, author, colleague, project):
    """Twelve scans that two have read: they differ about the last two, and about one they cannot tell."""
    project.reads_wanted = 2
    project.save()
    normal, opacity = project.class_rows.all()
    scans = [make_scan(seed=seed, patient=f"p{seed}") for seed in range(12)]
    for number, scan in enumerate(scans):
        said = (normal, opacity)[number % 2]
        label_scan(actor=author, image=scan, label_class=said, comment="mine")
        if number == 11:
            mark_ungradable(actor=colleague, image=scan, reason="blurred")
        else:
            other = (normal, opacity)[number % 2 == 0] if number == 10 else said
            label_scan(actor=colleague, image=scan, label_class=other, comment="look at the base")
    return scans


def page(client, user, name: str, project, query: str = "") -> str:
    client.force_login(user, backend=BACKEND)
    answer = client.get(reverse(name, args=[project.pk]) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_agreement_of_all_is_for_all_and_that_of_single_readers_is_theirs(read, author, third, admin, project, api):
    address = f"/api/v1/projects/{project.pk}/agreement/"
    whole = api(admin).get(address).data
    assert (whole["scans"], whole["reads"], whole["patients"]) == (12, 24, 12)
    assert whole["percent"]["value"] == pytest.approx(10 / 12)
    assert 0 < whole["fleiss"]["low"] < whole["fleiss"]["value"] < whole["fleiss"]["high"]
    (pair,) = whole["pairs"]
    assert pair["readers"] == ["author", "colleague"]
    assert (pair["kappa"]["n"], sum(map(sum, pair["confusion"]))) == (12, 12)
    assert api(third).get(address).data["pairs"] == []
    assert api(author).get(address).data["pairs"][0]["readers"] == ["author", ""]
    weighted = api(admin).get(f"{address}?weights=linear").data
    assert len(weighted["pairs"][0]["confusion"]) == 2
    assert api(admin).get(f"{address}?weights=cubic").status_code == 400


def test_the_page_of_agreement_says_what_it_means(read, admin, author, project, client):
    seen = page(client, admin, "agreement", project)
    assert "Fleiss' kappa" in seen
    assert "substantial" in seen
    assert "<strong>author</strong> and <strong>colleague</strong>" in seen
    assert "another reader" in page(client, author, "agreement", project, "?weights=quadratic")


def test_a_disagreement_is_settled_on_its_page_with_a_reason(read, author, third, project, client):
    seen = page(client, third, "adjudication", project)
    assert read[10].code in seen
    assert "Reader A" in seen
    assert "look at the base" in seen
    assert "colleague" not in seen
    assert "colleague" in page(client, third, "adjudication", project, "?names=1")
    address = reverse("adjudication", args=[project.pk])
    answer = {"image": read[10].pk, "version": read[10].version, "label_class": project.class_rows.first().pk}
    unsaid = client.post(address, answer, follow=True).content.decode()
    assert "Say why" in unsaid
    assert Image.objects.get(pk=read[10].pk).label_status == "unlabeled"
    done = client.post(address, {**answer, "reason": "a nipple shadow"}, follow=True).content.decode()
    assert f"Settled: {read[10].code}." in done
    label = Label.objects.get(source="adjudication")
    assert (label.comment, label.reader) == ("a nipple shadow", third)
    assert Image.objects.get(pk=read[10].pk).reference.label == label
    assert read[11].code in done
    assert "Nothing to adjudicate" in page(client, author, "adjudication", project)


def test_the_api_gives_the_opinions_and_takes_the_decision(read, third, project, api):
    address = f"/api/v1/projects/{project.pk}/adjudications/"
    first, second = api(third).get(address).data["results"]
    assert [row["reader"] for row in first["reads"]] == ["A", "B"]
    assert (second["reads"][1]["label"], second["reads"][1]["ungradable"]) == (None, "blurred")
    body = {"image": second["image"], "ungradable": "poor image quality", "reason": "both lungs are cut off"}
    made = api(third).post(address, body, format="json", HTTP_IF_MATCH=f'"{second["version"]}"')
    assert (made.status_code, made.data["source"], made.data["comment"]) == (201, "adjudication", body["reason"])
    twice = api(third).post(address, body, format="json")
    assert (twice.status_code, twice.data["errors"][0]["code"]) == (409, "nothing_to_adjudicate")
    sheet = b"".join(api(third).get(f"{address}?format=csv").streaming_content).decode()
    assert sheet.splitlines()[0] == "image,version,reads"


def test_readers_in_numbers_are_ones_own_but_for_who_manages(read, author, colleague, admin, project, api, client):
    review_scan(actor=admin, image=read[0], status="rejected", comment="look again")
    address = f"/api/v1/projects/{project.pk}/readers/"
    rows = {row["username"]: row for row in api(admin).get(address).data["results"]}
    assert set(rows) == {"author", "colleague"}
    assert (rows["colleague"]["labels"], rows["colleague"]["reads"]) == (12, 12)
    assert (rows["colleague"]["reviewed"], rows["colleague"]["rejected"]) == (1, 1)
    assert (rows["author"]["reference"]["value"], rows["author"]["reference"]["n"]) == (1.0, 9)
    assert rows["author"]["median_seconds"] is None
    assert [row["username"] for row in api(author).get(address).data["results"]] == ["author"]
    sheet = b"".join(api(admin).get(f"{address}?format=csv").streaming_content).decode()
    table = list(csv.DictReader(io.StringIO(sheet)))
    assert {row["username"]: row["labels"] for row in table} == {"author": "12", "colleague": "12"}
    seen = page(client, author, "readers", project)
    assert "colleague" not in seen
    assert "Your own numbers" in seen


def test_gold_and_repeats_measure_each_reader(make_scan, author, colleague, admin, project, api, monkeypatch):
    gold = [make_scan(seed=seed, label="OPACITY", actor=admin) for seed in range(4)]
    for scan in gold:
        review_scan(actor=colleague, image=scan, status="approved")
        mark_gold(actor=admin, image=scan)
    normal, opacity = project.class_rows.all()
    for number, scan in enumerate(gold):
        label_scan(actor=author, image=scan, label_class=normal if number == 0 else opacity)
    (row,) = api(author).get(f"/api/v1/projects/{project.pk}/agreement/").data["gold"]
    assert (row["reader"], row["agreed"]["value"], row["agreed"]["n"]) == ("author", 0.75, 4)
    assert row["agreed"]["low"] < 0.75 < row["agreed"]["high"]
    (numbers,) = api(author).get(f"/api/v1/projects/{project.pk}/readers/").data["results"]
    assert (numbers["gold"]["n"], numbers["labels"], numbers["reference"]["n"]) == (4, 4, 0)
    assert again.handed_out(author).count() == 0


def test_gold_scans_are_marked_by_their_codes(make_scan, colleague, admin, project, client):
    scans = [make_scan(seed=seed, label="OPACITY") for seed in range(3)]
    for scan in scans[:2]:
        review_scan(actor=colleague, image=scan, status="approved")
    client.force_login(admin, backend=BACKEND)
    address = reverse("gold", args=[project.pk])
    named = f"{scans[0].code}, {scans[1].pk} {scans[2].code} scan999"
    said = client.post(address, {"scans": named}, follow=True).content.decode()
    assert "2 scans are gold." in said
    assert "There is no scan scan999 here." in said
    assert "somebody approved" in said
    client.post(address, {"end": 1, "image": scans[0].pk})
    assert list(GoldScan.objects.values_list("image", flat=True)) == [scans[1].pk]


def test_lists_of_readers_take_few_queries(read, admin, client, project, django_assert_max_num_queries):
    client.force_login(admin, backend=BACKEND)
    client.get(reverse("readers", args=[project.pk]))
    for name in ("readers", "agreement", "gold", "adjudication"):
        with django_assert_max_num_queries(40 if name == "adjudication" else 16):
            client.get(reverse(name, args=[project.pk]))
