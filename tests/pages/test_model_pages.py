"""Pages of a version cost the same however many scans its data set has, and stand without figures."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from models_registry.browsing import comparing, cutoffs, summarising
from models_registry.erasure import forget
from models_registry.models import AnswerSummary, ScanAnswer
from models_registry.versions import summaries
from tests.pages.conftest import texts
from tests.pages.test_browsing_pages import measured, page, split  # noqa: F401 -- fixtures

pytestmark = pytest.mark.django_db
MOST_QUERIES = 19


def addresses(model, other):
    return (
        reverse("model", args=[model.pk]),
        reverse("model_card", args=[model.pk]),
        reverse("model_errors", args=[model.pk]),
        reverse("model_list", args=[model.project_id]),
        f"{reverse('model_compare', args=[model.project_id])}?first={model.pk}&second={other.pk}",
    )


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"confusion_matrix": [], "classes": []},
        {"confusion_matrix": [[3, 0], [2, 0]]},
        {"n": 3, "n_groups": None, "classes": ["a", "b"], "confusion_matrix": [[1, 1], [0, 1]]},
        {"reliability": None, "curves": None, "per_class": None, "slices": None, "comparison": None, "undivided": None},
    ],
)
def test_no_page_fails_on_a_report_without_figures(browser, admin, make_version, metrics):
    model, other = make_version(metrics=metrics), make_version(metrics=metrics, seed=1)
    model.evaluations.update(test_reads=None)
    for address in addresses(model, other):
        assert browser(admin).get(address).status_code == 200, address


def test_pages_of_a_version_ask_few_queries(browser, author, measured):  # noqa: F811
    model, other = measured(), measured(seed=1)
    client = browser(author)
    for address in addresses(model, other):
        # What a page remembers for some minutes is not asked again.
        client.get(address)
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        assert len(asked) <= MOST_QUERIES, [query["sql"][:200] for query in asked]
        assert not [q["sql"] for q in asked if "UNION" in q["sql"] and "snapshotmember" in q["sql"]]


@pytest.fixture
def many(monkeypatch):
    """Ten answers are more than a page reads."""
    for module in (summaries, cutoffs):
        monkeypatch.setattr(module, "FEW", 5)


def test_what_every_cut_off_gives_of_many_answers_is_made_once_and_kept(browser, admin, measured, many):  # noqa: F811
    model = measured()
    rows = AnswerSummary.objects.order_by("name")
    assert [row.name for row in rows] == ["cutoffs 0", "cutoffs 1"]
    client = browser(admin)
    assert "Look again in a minute" in texts(page(client, "model", model.pk))
    for row in rows:
        summarising.summarise(row.pk)
    with CaptureQueriesContext(connection) as asked:
        source = texts(page(client, "model", model.pk))
    assert "data-cutoffs" in source and "Look again" not in source
    assert not any("shares" in query["sql"] for query in asked)
    evaluation = model.evaluations.get()
    kept = cutoffs.of(model, evaluation, None, None)
    rows, bands = cutoffs.made(evaluation, 1)
    assert (kept.rows, kept.bands) == (rows, bands)
    ScanAnswer.objects.filter(evaluation=evaluation).first().delete()
    assert not cutoffs.of(model, evaluation, None, None).made
    summarising.summarise(AnswerSummary.objects.get(name="cutoffs 1").pk)
    assert cutoffs.of(model, evaluation, None, None).made
    forget(ScanAnswer.objects.filter(evaluation=evaluation).first().image)
    assert not AnswerSummary.objects.exists()


def test_a_comparison_of_many_answers_is_made_once_and_kept(browser, admin, project, measured, many):  # noqa: F811
    weak, strong = measured(seed=1, power=0.2), measured(power=6)
    ask = {"first": weak.pk, "second": strong.pk}
    assert "Being compared" in texts(page(browser(admin), "model_compare", project.pk, **ask))
    (row,) = AnswerSummary.objects.filter(name__startswith="against")
    summarising.summarise(row.pk)
    found = comparing.of(weak, strong)
    assert not found.reason and found.count("") > 0
    source = texts(page(browser(admin), "model_compare", project.pk, **ask))
    assert source.count('class="thumb"') == min(found.count(""), comparing.PAGE_SIZE)


def test_a_lost_message_is_sent_again_and_a_second_one_makes_nothing(measured, many, monkeypatch):  # noqa: F811
    evaluation = measured().evaluations.get()
    sent = []
    monkeypatch.setattr(summaries.work, "send_named", lambda name, pk: sent.append(pk))
    assert summaries.found(evaluation, "cutoffs 0", 12) is None and not sent
    row = AnswerSummary.objects.get(name="cutoffs 0")
    AnswerSummary.objects.update(asked_at=row.asked_at - 2 * summaries.AGAIN)
    assert summaries.found(evaluation, "cutoffs 0", 12) is None and sent == [row.pk]
    summarising.summarise(row.pk)
    monkeypatch.setattr(cutoffs, "made", lambda *_: pytest.fail("made again"))
    summarising.summarise(row.pk)
