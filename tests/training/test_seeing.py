"""What a run is given of its scans follows from the scans, and is said; whoever asks for something else gets that."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image as Pillow

from images.learning import LearningView
from images.models import Image, Metadata, Rendition, RenditionKind
from mediscan_site.core.errors import Invalid, Unavailable
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from training import planning, seeing
from training.scans import Scans
from training.services import plan_run
from training.wishes import Wishes

# As bright as each other.
ROSE, BLUE = (200, 120, 140), (120, 149, 200)


def jpeg(colour: tuple[int, int, int], seed: int) -> bytes:
    noise = np.random.default_rng(seed).normal(0, 12, (64, 64, 1))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "JPEG", quality=85)
    return out.getvalue()


@pytest.fixture(autouse=True)
def nothing_known():
    """Digests of scans are those of other tests here."""
    seeing.forget()


@pytest.fixture
def pictured(bare_snapshot):
    """A data set whose scans have small pictures: `pictured(ROSE, BLUE)` for the two classes; None leaves one grey."""

    def make(*colours, per_side: int = 40, grey_share: float = 0.0):
        snapshot = bare_snapshot(per_side)
        classes = [entry["id"] for entry in snapshot.classes]
        rows = snapshot.members.filter(split="train").select_related("image").order_by("pk")
        for number, member in enumerate(rows):
            colour = colours[classes.index(member.label_class_id)]
            grey = colour is None or (number // len(classes)) < grey_share * len(rows) / len(classes)
            picture = jpeg((140, 140, 140) if grey else colour, seed=number)
            blob = blobs.write(picture, namespace=blobs.namespace(snapshot.project_id), content_type="image/jpeg")
            blob.save(force_insert=True)
            Rendition.objects.create(image=member.image, kind=RenditionKind.THUMBNAIL, blob=blob)
            Image.objects.filter(pk=member.image_id).update(sha256=hashlib.sha256(picture).hexdigest())
        return snapshot

    return make


def planned(snapshot, admin, **wishes):
    wished = Wishes.of(**wishes)
    return plan_run(actor=admin, project=snapshot.project, wishes=wished, snapshot=snapshot)


def seen(plan) -> tuple[str, str, str]:
    return plan.config["sees"], plan.config["shape"], plan.config["windows"]


def test_colour_is_seen_where_it_tells_the_classes_apart_and_the_plan_says_by_how_much(pictured, admin, weights_folder):
    plan = planned(pictured(ROSE, BLUE), admin)
    assert seen(plan) == ("colour", "squash", "")
    assert plan.note.startswith("Sees colour at 320 pixels, squashed: the scans have colour, and it tells the classes")
    assert "(cross-validated 1.00 against ." in plan.note
    assert plan.note.endswith(").")
    assert "; about " in plan.note


@pytest.mark.parametrize(
    ("told", "expected", "said"),
    [
        ((0.66, 0.81, 0.02), "colour", "better than grey (cross-validated .81 against .66)"),
        ((0.66, 0.67, 0.02), "grey", "no better (cross-validated .67 against .66)"),
        ((0.66, 0.60, 0.02), "grey", "no better"),
        ((0.66, 0.67, 0.09), "colour", "too few were there to measure whether it helps"),
        (None, "colour", "too few patients to measure whether it helps"),
    ],
)
def test_the_figures_decide(told, expected, said):
    from training.engine.telling import Telling

    sees, why = seeing._weighed(Telling(*told, 200) if told else None)
    assert sees == expected
    assert said in why


def test_an_archive_that_is_away_makes_no_colour_grey(pictured, admin, weights_folder, monkeypatch):
    snapshot, real = pictured(ROSE, BLUE), blobs.read
    away = Unavailable("The archive does not answer.")
    for error in (away, OSError("no route")):

        def read(_, error=error):
            raise error

        monkeypatch.setattr(seeing.blobs, "read", read)
        with pytest.raises(type(error)):
            planned(snapshot, admin)
    damaged = [DamagedObject("a")] * 12

    def some(blob):
        if damaged:
            raise damaged.pop()
        return real(blob)

    monkeypatch.setattr(seeing.blobs, "read", some)
    planned(snapshot, admin)
    monkeypatch.setattr(seeing.blobs, "read", real)
    assert "cross-validated 1.00" in planned(snapshot, admin).note


def test_nothing_is_measured_where_no_scan_has_colour(pictured, admin, weights_folder, monkeypatch):
    snapshot = pictured(None, None)
    monkeypatch.setattr(seeing.telling, "compare", lambda *_: pytest.fail("measured"))
    plan = planned(snapshot, admin)
    assert plan.config["sees"] == "grey"
    assert "none of 40 training scans looked at has colour" in plan.note


def test_colour_that_says_how_files_were_made_is_not_seen(pictured, admin, weights_folder):
    """The radiographs of one class are saved in colour: a network would learn that."""
    plan = planned(pictured(ROSE, None), admin)
    assert plan.config["sees"] == "grey"
    assert "0 to 100 % of a class have colour, which would tell how files were made" in plan.note


def test_scans_of_both_kinds_are_seen_in_grey(pictured, admin, weights_folder):
    plan = planned(pictured(ROSE, BLUE, grey_share=0.7), admin)
    assert plan.config["sees"] == "grey"
    assert "% of a class have colour" in plan.note


def test_few_scans_in_colour_are_seen_in_colour(pictured, admin, weights_folder):
    plan = planned(pictured(ROSE, BLUE, per_side=4), admin)
    assert plan.config["sees"] == "colour"
    assert "too few patients to measure whether it helps" in plan.note


def test_only_training_scans_are_looked_at(pictured, admin, weights_folder, monkeypatch):
    snapshot = pictured(ROSE, BLUE)
    looked: set[int] = set()
    small = seeing._pictures
    monkeypatch.setattr(seeing, "_pictures", lambda sample: looked.update(one.image for one in sample) or small(sample))
    planned(snapshot, admin)
    training = set(snapshot.members.filter(split="train").values_list("image", flat=True))
    assert looked
    assert looked <= training


def test_scans_without_small_pictures_are_seen_in_grey_and_the_plan_says_so(bare_snapshot, admin, weights_folder):
    assert "no small picture of the scans can be read" in planned(bare_snapshot(), admin).note


def test_a_damaged_small_picture_is_passed_over(pictured, admin, weights_folder):
    snapshot = pictured(ROSE, BLUE)
    blob = Rendition.objects.earliest("pk").blob
    blob.sha256 = "0" * 64
    blob.save()
    assert planned(snapshot, admin).config["sees"] == "colour"


def test_what_was_asked_for_is_seen_and_nothing_is_measured(pictured, admin, weights_folder, monkeypatch):
    snapshot = pictured(ROSE, BLUE)
    monkeypatch.setattr(seeing, "_colour", lambda _: pytest.fail("measured"))
    plan = planned(snapshot, admin, sees="grey", shape="letterbox", image_size=96)
    assert seen(plan) == ("grey", "letterbox", "")
    assert plan.note.startswith("Sees grey levels at 96 pixels, at the scan's own shape: as asked; about ")


def test_levels_are_kept_unless_it_is_asked_for_and_then_it_is_grey(pictured, admin, weights_folder):
    snapshot = pictured(ROSE, BLUE)
    assert planned(snapshot, admin).config["levels"] == "kept"
    plan = planned(snapshot, admin, levels="equalised")
    assert (seen(plan), plan.config["levels"]) == (("grey", "squash", ""), "equalised")
    assert "equalised, squashed: as asked" in plan.note
    with pytest.raises(Invalid, match="is for sees=grey alone"):
        planned(snapshot, admin, sees="colour", levels="equalised")


def test_the_shape_is_the_projects_and_so_is_whether_scans_are_turned(pictured, admin, project, weights_folder):
    snapshot = pictured(ROSE, BLUE)
    plan = planned(snapshot, admin)
    assert (plan.config["shape"], plan.config["any_angle"]) == ("squash", False)
    project.picture_shape, project.orientation_matters = "letterbox", False
    project.save()
    snapshot.project.refresh_from_db()
    plan = planned(snapshot, admin)
    assert (plan.config["shape"], plan.config["any_angle"]) == ("letterbox", True)
    assert planned(snapshot, admin, shape="squash").config["shape"] == "squash"


def test_the_run_is_told_what_the_plan_said(pictured, admin, start):
    snapshot = pictured(ROSE, BLUE)
    plan = planned(snapshot, admin)
    run = start(snapshot=snapshot)
    assert run.config == plan.config
    # What the engine makes of the row, now and when the run is made again.
    assert planning.engine_config(run.config).look.channels == 3


@pytest.fixture
def cts(bare_snapshot, monkeypatch):
    """A data set of CTs of a body part whose views for learning have 16 bits and ask for a window."""

    def make(body_part: str = "CHEST", *, window=(-160.0, 240.0), bits: int = 16, modality: str = "CT", per_side=4):
        snapshot = bare_snapshot(per_side)
        images = Image.objects.filter(pk__in=snapshot.members.values("image"))
        images.update(image_format="DICOM", bits=bits, modality=modality)
        Metadata.objects.bulk_create(Metadata(image=image, body_part=body_part) for image in images)
        kind = np.uint16 if bits > 8 else np.uint8
        seen = LearningView(np.zeros((8, 8), dtype=kind), 1.0, -1024.0, window)
        monkeypatch.setattr(seeing, "view", lambda image: seen)
        return snapshot

    return make


@pytest.mark.parametrize(
    ("body_part", "expected"),
    [
        ("CHEST", "-600/1500, 40/400, 400/1800"),
        ("HEAD", "40/400, 40/80, 80/200"),
        ("", "-600/1500, 40/400, 400/1800"),
    ],
)
def test_cts_are_seen_in_the_windows_of_what_they_show(cts, admin, weights_folder, body_part, expected):
    plan = planned(cts(body_part), admin)
    assert seen(plan) == ("windows", "squash", expected)
    assert plan.note.startswith(f"Sees the windows {expected} at 64 pixels, squashed: the scans are CTs, ")


def test_a_window_that_the_files_ask_for_comes_first(cts, admin, weights_folder):
    plan = planned(cts(window=(100.0, 300.0)), admin)
    assert plan.config["windows"] == "200/200, -600/1500, 40/400"


@pytest.mark.parametrize("other", [{"modality": "MR"}, {"modality": "CR"}, {"bits": 8}])
def test_what_is_no_ct_is_seen_in_its_own_window(cts, admin, weights_folder, other):
    assert planned(cts(**other), admin).config["sees"] == "grey"


def test_cts_whose_views_have_8_bits_are_not_seen_in_windows(cts, admin, weights_folder, monkeypatch):
    snapshot = cts()
    monkeypatch.setattr(seeing, "view", lambda image: LearningView(np.zeros((8, 8), dtype=np.uint8)))
    assert planned(snapshot, admin).config["sees"] == "grey"


def test_cts_that_cannot_be_looked_at_now_are_not_planned_in_grey(cts, admin, weights_folder, monkeypatch):
    snapshot = cts()

    def view(_):
        raise Unavailable("The server is short of memory.")

    monkeypatch.setattr(seeing, "view", view)
    with pytest.raises(Unavailable):
        planned(snapshot, admin)


def test_the_window_of_a_ct_whose_small_values_are_bright_counts_too(cts, admin, weights_folder, monkeypatch):
    dark = LearningView(np.zeros((8, 8), dtype=np.uint16), window=(900.0, 500.0))
    snapshot = cts()
    monkeypatch.setattr(seeing, "view", lambda image: dark)
    assert planned(snapshot, admin).config["windows"].startswith("700/400, ")


def test_windows_can_be_named_for_whatever_has_wide_values(cts, admin, weights_folder):
    snapshot = cts(modality="MR")
    assert seen(planned(snapshot, admin, windows="300/600")) == ("windows", "squash", "300/600")
    with pytest.raises(Invalid) as refused:
        planned(snapshot, admin, sees="windows")
    assert (refused.value.attr, refused.value.code) == ("windows", "required")
    assert "as 40/400" in refused.value.detail


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_one_scan_of_8_bits_on_any_side_is_enough_for_no_windows(cts, admin, weights_folder, side):
    """Of twenty, so that nearly all are CTs."""
    snapshot = cts(per_side=20)
    Image.objects.filter(pk=snapshot.members.filter(split=side).earliest("pk").image_id).update(bits=8)
    plan = planned(snapshot, admin)
    said = "1 of 60 scans of training, validation and test has 8 bits and none of its own values"
    assert plan.config["sees"] == "grey"
    assert f"{said}, so there are no windows; no small picture" in plan.note
    for asked in ({"sees": "windows"}, {"windows": "40/400"}):
        with pytest.raises(Invalid) as refused:
            planned(snapshot, admin, **asked)
        assert refused.value.attr == "sees"
        assert refused.value.detail.startswith(f"{said}, of which windows are made. Take it out of training")
    assert planned(snapshot, admin, sees="grey").config["sees"] == "grey"


def test_the_scans_of_a_data_set_to_be_frozen_are_counted_too(approved_scans, project, admin, weights_folder):
    for number, split in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * (number + 1), split=split)
    with pytest.raises(Invalid, match="12 of 12 scans of training, validation and test have 8 bits"):
        plan_run(actor=admin, project=project, wishes=Wishes.of(windows="40/400"))


def test_one_view_of_8_bits_among_those_looked_at_is_enough_for_no_windows(cts, admin, weights_folder, monkeypatch):
    snapshot = cts()
    odd = min(scan.image for scan in Scans.of_snapshot(snapshot).sample(seeing.OPENED))
    deep, whole = LearningView(np.zeros((8, 8), dtype=np.uint8)), seeing.view
    monkeypatch.setattr(seeing, "view", lambda image: deep if image.pk == odd else whole(image))
    assert planned(snapshot, admin).config["sees"] == "grey"


def test_a_run_that_is_refused_for_its_windows_freezes_no_data_set(start, approved_scans):
    from labeling.models import Snapshot

    for number, split in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * (number + 1), split=split)
    with pytest.raises(Invalid):
        start(snapshot=None, sees="windows")
    assert not Snapshot.objects.exists()


def test_a_sample_is_always_the_same_and_gives_rare_classes_their_share(bare_snapshot):
    snapshot = bare_snapshot(60)
    rare = snapshot.classes[0]["id"]
    for member in snapshot.members.filter(split="train", label_class=rare)[5:]:
        member.delete()
    scans = Scans.of_snapshot(snapshot)
    sample = scans.sample(20)
    assert sample == scans.sample(20)
    assert len(sample) == len(set(sample)) == 20
    assert sum(scan.label == rare for scan in sample) == 5
    assert len(scans.sample(1000)) == len(scans.training) == 35
