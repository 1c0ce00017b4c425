"""The pages that look into versions: what is said first, every cut-off, the scans behind each figure, two versions, the card."""

import json
import re

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import Label, SnapshotMember
from mediscan_site.core.storage import blobs
from models_registry.browsing import comparing, heat
from models_registry.models import BlindRead, ScanAnswer
from models_registry.statistics.calibration import softmax
from models_registry.statistics.metrics import evaluation_report
from models_registry.versions.answers import Answer, keep
from tests.pages.conftest import texts

pytestmark = pytest.mark.django_db


@pytest.fixture
def split(project, author, make_scan, snapshot):
    """Twelve test scans of twelve patients, classes in turn. They share one file: their pictures are not looked at."""
    classes = list(project.class_rows.all())
    scan, members = make_scan(seed=1, label="NORMAL"), []
    for number in range(12):
        if number:
            scan.pk, scan.received_sha256 = None, f"{number:064d}"
            scan.label_class = classes[number % 2]
            scan.save(force_insert=True)
        label = Label.objects.create(image=scan, label_class=classes[number % 2], reader=author, source="doctor")
        group = {"group": f"patient {number}", "sha256": scan.sha256, "split": "test"}
        members.append(
            SnapshotMember.objects.create(
                snapshot=snapshot, image_id=scan.pk, label=label, label_class=classes[number % 2], **group
            )
        )
    return members


@pytest.fixture
def measured(split, snapshot, make_version, project):
    """`measured(power=2)`: a version and what it said of each of the test scans; the more power, the more often it is right."""
    ids = [row.pk for row in project.class_rows.all()]
    names = [row.name for row in project.class_rows.all()]
    members, y = split, np.array([ids.index(member.label_class_id) for member in split])

    def make(*, power: float = 1.0, seed: int = 0, always: int | None = None):
        rng = np.random.default_rng(seed)
        lean = np.eye(2)[y if always is None else np.full(len(y), always)]
        p = softmax(rng.normal(size=(len(y), 2)) * (always is None) + power * lean)
        metrics = evaluation_report(y, p, [m.group for m in members], names, n_boot=50, refer_threshold=0.6)
        model = make_version(seed=seed, on=snapshot, metrics={**metrics, "undivided": ["age", "sex"]})
        said = [Answer(m.image_id, m.label_class_id, tuple(map(float, s))) for m, s in zip(members, p, strict=True)]
        keep(model.evaluations.get(), said)
        return model

    return make


def page(client, name, *keys, **query):
    return client.get(reverse(name, args=keys), query)


def test_the_headline_says_what_it_is_worth_what_was_not_measured_and_what_comes_next(browser, admin, measured):
    model = measured(power=2)
    counts = model.evaluations.get().metrics["confusion_matrix"]
    hits = counts[0][0] + counts[1][1]
    said = texts(page(browser(admin), "model", model.pk))
    assert f"It was right on {hits} of 12 scans" in said
    assert f"Of 6 scans with OPACITY it finds {counts[1][1]} and misses {counts[1][0]}" in said
    assert "of 12 patients of" in said
    assert "The hospital of the test scans is not known" in said
    assert "Not checked for differences by age, sex" in said
    assert "Look at its mistakes. If you can live with them, deploy it." in said


def test_a_version_that_answers_nothing_is_certain_of_nothing(browser, admin, measured):
    model, unchecked = measured(power=2), "Its confidence could not be checked: it gives every scan back to you."
    said = texts(page(browser(admin), "model", model.pk))
    assert ("It is certain about" in said, unchecked in said) == (True, False)
    model.calibration = {"temperature": None}
    model.save(update_fields=["calibration"])
    said = texts(page(browser(admin), "model", model.pk))
    assert ("It is certain about" in said, unchecked in said) == (False, True)


def test_a_version_that_always_says_one_class_is_named_as_such(browser, admin, measured):
    said = texts(page(browser(admin), "model", measured(always=1).pk))
    assert "It always says OPACITY: it has not learnt to tell the classes apart." in said
    assert "Look at its mistakes, then train again" in said


def test_every_cell_leads_to_as_many_scans_as_it_says(browser, admin, measured):
    client, model = browser(admin), measured()
    source = texts(page(client, "model", model.pk))
    cells = re.findall(r'<a href="(/models/\d+/errors/\?[^"]+)" aria-label="(\d+) scans', source)
    assert len(cells) >= 3
    for address, count in cells:
        shown = texts(client.get(address.replace("&amp;", "&")))
        assert shown.count('class="thumb"') == int(count)


def test_a_cut_off_without_a_script_is_a_form_and_its_cells_are_its_scans(browser, admin, measured):
    client, model = browser(admin), measured()
    positive = model.classes[1]["id"]
    source = texts(page(client, "model", model.pk, positive=positive, cutoff="0.35"))
    data = json.loads(re.search(r'data-cutoffs="([^"]+)"', source)[1].replace("&quot;", '"'))
    assert len(data) == 101
    shares = [row.shares[1] for row in ScanAnswer.objects.filter(truth=positive)]
    assert data[35][0] == sum(share >= 0.35 for share in shares)
    for place, cell in enumerate(("tp", "fn", "fp", "tn")):
        address = re.search(rf'data-cell="{cell}" href="([^"]+)"', source)[1].replace("&amp;", "&")
        assert texts(client.get(address)).count('class="thumb"') == data[35][place], cell


def test_nonsense_in_the_address_is_as_if_it_were_not_there(browser, admin, measured):
    client, model = browser(admin), measured()
    for query in ({"cutoff": "nan"}, {"cutoff": "7", "positive": "x"}):
        assert page(client, "model", model.pk, **query).status_code == 200
    for query in ({"true": "99"}, {"cell": "tp"}, {"low": "x", "high": "2"}, {"evaluation": "0", "cell": "no"}):
        assert page(client, "model_errors", model.pk, **query).status_code == 200


def test_mistakes_come_surest_first_in_few_queries(browser, admin, measured):
    client, model = browser(admin), measured(power=-1)
    address = reverse("model_errors", args=[model.pk])
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        source = texts(client.get(address))
    assert len(asked) <= 12
    sure = [float(found) for found in re.findall(r"</b>,\s*(?:<[^>]+>)?\s*([\d.]+)(?:\s|&nbsp;)%", source)]
    assert len(sure) > 3
    assert sure == sorted(sure, reverse=True)


def test_an_evaluation_of_earlier_days_says_that_it_kept_nothing(browser, admin, make_version):
    client, model = browser(admin), make_version()
    assert "was not kept by this evaluation" in texts(page(client, "model", model.pk))
    assert "No evaluation kept what it said" in texts(page(client, "model_errors", model.pk))


def test_a_scan_that_somebody_reads_blind_is_not_shown_to_them(browser, colleague, project, measured, answered):
    from django.utils import timezone

    model = measured(power=-3)
    image = ScanAnswer.objects.filter(right=False).first().image
    grade = answered(seed=77)
    type(grade).objects.filter(pk=grade.pk).update(image=image)
    until = timezone.now() + timezone.timedelta(minutes=5)
    BlindRead.objects.create(project=project, grade_id=grade.pk, share=0.1, holder=colleague, held_until=until)
    assert image.code not in texts(page(browser(colleague), "model_errors", model.pk))


def test_heat_maps_are_drawn_when_asked_for_and_lie_over_the_thumbnails(browser, admin, measured, monkeypatch):
    client, model = browser(admin), measured(power=-1)
    wanted = []
    monkeypatch.setattr(heat.work, "send_named", lambda name, pk: wanted.append(pk))
    keys = [row.pk for row in ScanAnswer.objects.filter(right=False)]
    answer = client.post(reverse("model_heat_maps", args=[model.pk]), {"answer": keys, "query": "true="})
    assert sorted(wanted) == sorted(keys)
    assert answer.headers["Location"].endswith("?true=&heat=1")
    assert "being drawn" in texts(client.get(answer.headers["Location"]))
    heat.draw(keys[0])
    overlaid = reverse("answer_heatmap", args=[keys[0]])
    assert overlaid in texts(client.get(answer.headers["Location"]))
    assert overlaid not in texts(client.get(reverse("model_errors", args=[model.pk])))
    overlay = client.get(overlaid)
    assert overlay.headers["Content-Type"] == "image/png"
    assert blobs.read(ScanAnswer.objects.get(pk=keys[0]).heatmap).startswith(b"\x89PNG")


def test_two_versions_are_compared_on_the_scans_that_both_answered(browser, admin, project, measured):
    client, weak, strong = browser(admin), measured(power=0), measured(power=4, seed=1)
    ticked = page(client, "model_compare", project.pk, version=[weak.pk, strong.pk])
    source = texts(ticked)
    assert "On the 12 test scans of 12 groups" in source
    found = comparing.of(weak, strong)
    assert found.tests["tests"][-1]["new"] == weak.evaluations.get().metrics["accuracy"]["value"]
    assert source.count('class="thumb"') == found.count("") > 0
    only = page(client, "model_compare", project.pk, first=weak.pk, second=strong.pk, right="second")
    assert texts(only).count('class="thumb"') == found.count("second") > 0
    assert found.count("first") + found.count("second") + found.count("neither") == found.count("")


def test_one_tick_or_one_version_twice_is_no_comparison(browser, admin, project, measured, make_version):
    client, model = browser(admin), measured()
    one = client.get(reverse("model_compare", args=[project.pk]), {"version": [model.pk]}, follow=True)
    assert "Tick two versions: 1 was ticked." in texts(one)
    twice = page(client, "model_compare", project.pk, first=model.pk, second=model.pk)
    assert "Choose two different versions." in texts(twice)
    old = page(client, "model_compare", project.pk, first=model.pk, second=make_version().pk)
    assert "Evaluate it again." in texts(old)


def test_the_card_to_print_has_all_figures_and_no_form(browser, admin, measured):
    model = measured(power=2)
    source = texts(page(browser(admin), "model_card", model.pk))
    assert "<main" in source
    main = source.split("<main")[1].split("</main>")[0]
    assert "<form" not in main
    assert all(
        word in main for word in ("Balanced accuracy", "Confusion matrix", "It was right on", model.bundle_sha256)
    )
