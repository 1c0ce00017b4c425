"""A version's graph computes in 8-bit integers where the site allows it and its answers stay; else it says why not."""

import pytest

from labeling.models import Label, SnapshotMember
from models_registry.inference import agreement
from models_registry.inference.looks import COLOUR, GREY, LETTERBOX, Look
from models_registry.inference.names import EQUALISED
from models_registry.inference.pictures import reference_tiles
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from models_registry.models import ModelVersion
from models_registry.versions import cards, exporting, graphs, quicker, serving

pytestmark = pytest.mark.django_db
GOOD = agreement.Agreement(22, 286, 1.0, 0.0, 0.01, 2.0, 0.05)


def fresh(model) -> ModelVersion:
    return ModelVersion.objects.select_related("bundle", "graph__blob", "project", "snapshot").get(pk=model.pk)


def made_in_the_run(model) -> None:
    """As the run that trained the version makes it."""
    exporting.make(fresh(model), Predictor(serving.bundle(model)))


@pytest.fixture
def learned_scans(snapshot, make_scan, project, author, monkeypatch):
    """A data set of six validation and two training scans, where six are enough."""
    monkeypatch.setattr(agreement, "LEAST_SCANS", 6)
    for seed in range(8):
        image, row = make_scan(seed=seed), project.class_rows.all()[seed % 2]
        label = Label.objects.create(image=image, label_class=row, reader=author, source=Label.Source.DOCTOR)
        split = "val" if seed < 6 else "train"
        SnapshotMember.objects.create(
            snapshot=snapshot, image=image, label=label, label_class=row, split=split, group=f"scan:{image.pk}"
        )


@pytest.fixture
def learned(learned_scans, make_version):
    return make_version()


@pytest.fixture
def judged(monkeypatch):
    """What the comparison is to find; what it was given."""
    given = []

    def judge(found):
        monkeypatch.setattr(agreement, "compare", lambda *args: given.append(args) or found)
        return given

    return judge


def test_integers_serve_where_they_answer_alike_and_page_card_and_api_say_so(learned, judged, api, client, admin):
    given = judged(GOOD)
    made_in_the_run(learned)
    ((exact, quick, tiles, labels, pixels),) = given
    assert pixels is None
    assert (tiles.shape, sorted(set(labels.tolist()))) == ((6, 256, 256), [0, 1])
    assert exact.predict(tiles).logits.tolist() != quick.predict(tiles).logits.tolist()
    model = fresh(learned)
    assert graphs.precision(model) == "int8"
    serving.forget()
    served = serving.predictor(model)
    assert served.has_graph
    assert abs(served.predict(reference_tiles()).logits - served.eager.run(reference_tiles()).logits).max() > 1e-4
    body = api(admin).get(f"/api/v1/models/{model.pk}/").json()
    assert body["graph_precision"] == body["card"]["graph"]["precision"] == "int8"
    assert "8-bit integers, 2.0 times as quick" in body["graph_note"]
    assert "8-bit integers" in cards.text(model, None)
    client.force_login(admin)
    assert "8-bit integers, 2.0 times as quick" in client.get(f"/models/{model.pk}/").content.decode()


def test_where_they_do_not_single_precision_serves_and_the_reason_is_kept(learned, judged, api, admin):
    judged(agreement.Agreement(22, 286, 0.9, 0.0, 0.01, 2.0, 0.4))
    made_in_the_run(learned)
    model = fresh(learned)
    assert graphs.precision(model) == "fp32"
    assert model.graph.logits_difference <= 1e-4
    body = api(admin).get(f"/api/v1/models/{model.pk}/").json()
    assert body["graph_precision"] == "fp32"
    assert "It does not compute in 8-bit integers: it gives 90.0%" in body["graph_note"]


def test_the_real_comparison_judges_them(learned):
    made_in_the_run(learned)
    assert "8-bit integers" in fresh(learned).graph.note


def test_what_sees_more_than_tiles_is_compared_by_what_it_sees(learned_scans, make_version, judged):
    given = judged(GOOD)
    seen = Preprocess(40, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3, Look(COLOUR, LETTERBOX))
    model = make_version(preprocess=seen, turned_tta=True)
    made_in_the_run(model)
    ((_, _, tiles, _, pixels),) = given
    assert (tiles.shape, pixels.shape) == ((6, 256, 256), (6, 40, 40, 3))
    assert graphs.precision(fresh(model)) == "int8"


def test_the_real_comparison_judges_what_sees_more_than_tiles(learned_scans, make_version):
    model = make_version(preprocess=Preprocess(40, 0.5, 0.2, 1, Look(GREY, levels=EQUALISED)))
    made_in_the_run(model)
    note = fresh(model).graph.note
    assert "pictures" in note or "AUROC" in note or "distances" in note or "times as quick" in note, note


def test_too_few_validation_scans_prove_nothing(make_version):
    model = make_version()
    made_in_the_run(model)
    assert "there are 0 validation scans to compare, and 20 are needed" in fresh(model).graph.note
    assert graphs.precision(fresh(model)) == "fp32"


def test_switched_off_nothing_is_tried_and_what_there_is_is_made_anew(learned, judged, settings):
    given = judged(GOOD)
    made_in_the_run(learned)
    settings.GRAPH_INT8 = quicker.OFF
    serving.forget()
    assert not serving.predictor(fresh(learned)).has_graph
    exporting.make_missing(learned.pk)
    model = fresh(learned)
    assert (graphs.precision(model), model.graph.note, len(given)) == ("fp32", "", 1)
    serving.forget()
    assert serving.predictor(model).has_graph


def test_a_scan_that_cannot_be_read_leaves_single_precision(learned, monkeypatch):
    def unreadable(*_):
        raise ValueError

    monkeypatch.setattr(quicker.reading, "one", unreadable)
    made_in_the_run(learned)
    assert "the two could not be compared (ValueError)" in fresh(learned).graph.note


def test_a_graph_that_is_made_later_stays_in_single_precision(learned, judged):
    """What was measured of a version, and graded with it, was computed so."""
    given = judged(GOOD)
    exporting.make_missing(learned.pk)
    assert (graphs.precision(fresh(learned)), fresh(learned).graph.note, given) == ("fp32", "", [])


def test_whatever_goes_wrong_with_integers_the_exact_graph_serves(learned, monkeypatch):
    def broken(*_):
        raise RuntimeError("onnxruntime")

    monkeypatch.setattr(agreement, "compare", broken)
    made_in_the_run(learned)
    assert graphs.precision(fresh(learned)) == "fp32"
    assert "the two could not be compared (RuntimeError)" in fresh(learned).graph.note
