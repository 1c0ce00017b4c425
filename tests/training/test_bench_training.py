"""The pure parts of `benchmarks.training`: what a long benchmark rests on, without its hours."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import _medmnist_peer, _training_folds, _training_quality, _training_search, training
from benchmarks import _training_data as sets
from benchmarks import _training_more as more
from benchmarks._training_machine import code_digest
from benchmarks._training_site import stage

# Section 7 of the protocol, in its order.
CONTRACT = [
    "pneumoniamnist_auroc_mean",
    "pneumoniamnist_accuracy_mean",
    "pneumoniamnist_seconds_median",
    "pneumoniamnist_best_auroc",
    "pneumoniamnist_best_accuracy",
    "xray_balanced_accuracy_mean",
    "xray_linear_baseline",
    "speedup_vs_medmnist_recipe",
    "frozen_backbone_speedup",
    "step_vs_bare_loop",
    "input_wait_share",
    "train_click_to_deployable_s",
    "configurations_tried",
]


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def part(n: int, groups: int) -> sets.Part:
    tiles = np.repeat(np.repeat(pictures(n), 8, axis=1), 8, axis=2)
    padded = np.pad(tiles, ((0, 0), (16, 16), (16, 16)))
    return sets.Part(padded, np.arange(n) % 2, tuple(f"p{i % groups}" for i in range(n)))


def test_the_figures_have_the_contracts_keys_first_and_null_where_nothing_was_measured():
    figures = training.in_order({"xray_linear_baseline": 0.9, "of_our_own": 1})
    assert list(figures)[: len(CONTRACT)] == CONTRACT
    assert figures["xray_linear_baseline"] == 0.9
    assert figures["pneumoniamnist_auroc_mean"] is None
    assert "pneumoniamnist_auroc_mean" in figures["not_measured"]
    assert figures["of_our_own"] == 1


def test_every_tried_configuration_counts_and_says_whether_it_saw_test_pictures():
    rows = _training_search.tried()
    assert training.in_order({})["configurations_tried"] == len(rows) > 0
    assert {row["test_seen"] for row in rows} <= {"no", "yes"}
    assert all(set(row) == set(_training_search.COLUMNS) for row in rows)
    assert all(isinstance(json.loads(row["changes"]), dict) for row in rows)


def test_a_picture_in_training_and_validation_is_named_however_often_it_stands_there():
    train, val = pictures(6), pictures(4, seed=1)
    val[2] = train[1]
    train[5] = train[1]
    assert sets.leaks(train, val) == {1: 2, 5: 2}
    assert sets.leaks(train, pictures(4, seed=1)) == {}


def test_eight_pictures_of_pneumoniamnist_leak_and_none_is_left_in_training(shared_data):
    if not (shared_data / sets.ARCHIVE).is_file():
        pytest.skip(f"no {sets.ARCHIVE} among the shared data")
    train, _ = sets.pneumoniamnist_pictures(shared_data, "train")
    val, _ = sets.pneumoniamnist_pictures(shared_data, "val")
    found = sets.leaks(train, val)
    assert len({train[position].tobytes() for position in found}) == 8
    kept = np.setdiff1d(np.arange(len(train)), list(found))
    assert sets.leaks(train[kept], val) == {}


def test_a_tile_of_the_benchmark_is_the_tile_of_the_ingest():
    from PIL import Image

    picture = pictures(1)[0]
    expected = Image.fromarray(picture).resize((256, 256), Image.Resampling.BILINEAR)
    assert np.array_equal(sets.tile(sets.png(picture)), np.asarray(expected))


def test_no_patient_is_on_both_sides_of_a_fold():
    scans = part(60, groups=20)
    folds = _training_folds.group_folds(scans, 5)
    assert set(folds.tolist()) == set(range(5))
    assert all(len({folds[i] for i, g in enumerate(scans.groups) if g == group}) == 1 for group in set(scans.groups))


@pytest.fixture
def pool(tmp_path):
    """Forty pictures in two parts; those of a class are alike."""
    scans = part(40, groups=40)
    scans.tiles[scans.labels == 1] //= 2
    np.save(tmp_path / "tiles.npy", scans.tiles)
    folds = np.arange(40) // 20
    return _training_search.Pool("pneumoniamnist", tmp_path / "tiles.npy", scans.labels, folds, 40, ("a", "b"))


def test_a_search_learns_and_chooses_its_epoch_on_all_parts_but_the_one_that_judges(pool):
    tiles = np.load(pool.file)
    learning, judging = pool.split(1)
    assert np.array_equal(judging.tiles, tiles[20:])
    assert np.array_equal(judging.labels, pool.labels[20:])
    assert sorted(np.bincount(learning.val.labels)) == [1, 1]
    others = {tile.tobytes() for part in (learning.train, learning.val) for tile in part.tiles}
    assert others == {tile.tobytes() for tile in tiles[:20]}
    assert len(learning.train) + len(learning.val) == 20


def test_a_trial_is_a_line_with_the_means_of_its_parts(pool):
    changes = {"epochs": 2, "members": 1, "augment": 0.0, "learning_rate": 0.001}
    trial = _training_search.Trial(pool.name, changes, (0, 1))
    threads = torch.get_num_threads()
    try:
        each = [_training_search.judge(pool, changes, number, "cpu") for number in trial.folds]
    finally:
        torch.set_num_threads(threads)
    row = _training_search.row(trial, each, "a note")
    assert set(row) == set(_training_search.COLUMNS)
    assert json.loads(row["changes"]) == changes
    assert row["auroc"] == pytest.approx(np.mean([one["auroc"] for one in each]), abs=1e-4)
    assert row["auroc"] > 0.9
    assert (row["folds"], row["test_seen"], row["note"]) == ("0 1", "no", "a note")
    on_gpu = _training_search.Trial(pool.name, changes, (0,), "cuda")
    assert _training_search.row(on_gpu, each[:1], "")["note"] == "on a GPU"


def test_equalised_scans_keep_their_labels_and_lose_their_fine_detail():
    sharp = part(4, groups=4)
    blunt = sets.equalised(sharp)
    assert np.array_equal(blunt.labels, sharp.labels)
    assert blunt.tiles.shape == sharp.tiles.shape

    def edges(tiles: np.ndarray) -> float:
        return float(np.abs(np.diff(tiles.astype(float), n=2)).mean())

    assert edges(blunt.tiles) < 0.7 * edges(sharp.tiles)


def test_the_peer_is_the_network_of_its_description():
    network = _medmnist_peer.SmallResNet18()
    # He et al.'s ResNet-18 with a 3 x 3 stem for three channels and ten classes has 11,173,962.
    assert sum(p.numel() for p in network.parameters()) == 11_173_962 - 2 * 64 * 9 - 8 * 513
    maps = network.stages(network.stem(torch.zeros(1, 1, 28, 28)))
    assert maps.shape == (1, 512, 4, 4)
    assert _medmnist_peer.logits(network.eval(), pictures(3)).shape == (3, 2)


def test_the_peer_stops_when_its_time_is_over():
    labels = np.arange(4) % 2
    found = list(_medmnist_peer.epochs(pictures(4), labels, seed=0, limit_s=0.0))
    assert len(found) == 1
    assert not found[0][0].training


def test_the_benchmark_trains_what_the_product_would_choose():
    small = _training_quality.configuration(_training_quality.PNEUMONIAMNIST, 4698, seed=3)
    assert (small.architecture, small.image_size, small.seed) == ("resnet_compact", 28, 3)
    large = _training_quality.configuration(_training_quality.XRAY, 144, seed=0)
    assert large.image_size > small.image_size
    best = _training_quality.configuration(_training_quality.BEST, 4698, seed=0)
    assert best.members > 1


def test_figures_are_put_together_from_runs_of_one_program_and_configuration():
    wanted = {"epochs": 3, "seed": 0}

    def run(seed: int, *, epochs: int = 3, code: str = code_digest(), test=1):
        return {"seed": seed, "code": code, "config": {"epochs": epochs, "seed": seed}, "test": test}

    kept = [run(0), run(1, code="another"), run(2, epochs=4), run(3, test=None)]
    assert list(_training_quality.usable(kept, wanted, final=True)) == [0]
    assert list(_training_quality.usable(kept, wanted, final=False)) == [0, 3]


def test_a_run_that_has_read_test_pictures_is_not_replaced_by_one_that_has_not(monkeypatch):
    name, scans = _training_quality.XRAY, part(40, groups=40)
    learning = sets.Learning(scans, scans, ("a", "b"))
    monkeypatch.setattr(sets, "xray", lambda *_: learning)
    monkeypatch.setattr(_training_quality, "one_run", lambda _l, config, *_: {"seed": config.seed, **plain})
    plain = {"test": None, "validation": {}, "seconds": 0.0}
    config = _training_quality.configuration(name, 40, seed=0).to_dict()
    read = {"seed": 0, "code": code_digest(), "config": config, "test": {"auroc": 1}, "seconds": 1.0}
    found = _training_quality.runs(name, Path(), [0, 1], [read], final=False)
    assert found == [read, {"seed": 1, **plain}]


def test_accuracies_of_several_seeds_are_pooled_as_their_mean():
    scans = part(40, groups=40)
    right = np.where(scans.labels[:, None] == np.arange(2), 1.0, -1.0)
    half = right.copy()
    half[:20] *= -1
    runs = [{"test_logits": logits.tolist()} for logits in (right, half)]
    pooled = _training_quality.pooled(scans, runs, ("a", "b"))
    assert pooled is not None
    assert pooled["balanced_accuracy"]["value"] == 0.75
    assert pooled["balanced_accuracy"]["low"] < 0.75 < pooled["balanced_accuracy"]["high"]
    assert "auroc" not in pooled


@pytest.mark.parametrize(
    ("status", "message", "name"),
    [
        ("queued", "", "waiting for a worker"),
        ("running", "", "starting the process"),
        ("running", "From scratch, as asked, with resnet18.", "starting the process"),
        ("running", "reading train scans", "reading train scans"),
        ("running", "epoch 3 of 36, 12 s left", "training"),
        ("running", "member 1: epoch 3 of 60, 12 s left", "training"),
        ("running", "fold 2.1: epoch 3 of 60, 12 s left", "training"),
        ("succeeded", "Best epoch 3 of 36.", "writing the result"),
    ],
)
def test_a_stage_is_named_by_what_a_run_says(status, message, name):
    assert stage(status, message) == name


def test_cells_are_trained_in_colour_and_in_grey_with_one_recipe():
    colour, grey = (
        _training_quality.configuration(name, 209, seed=1)
        for name in (_training_quality.CELLS, _training_quality.CELLS_GREY)
    )
    differing = {name for name, value in colour.to_dict().items() if value != grey.to_dict()[name]}
    assert differing == {"sees"}
    assert (colour.sees, colour.architecture, colour.any_angle) == ("colour", "resnet_detail", True)


def test_radiographs_at_224_pixels_differ_in_nothing_but_size_and_what_follows_from_it():
    usual, large = (
        _training_quality.configuration(name, 144, seed=0).to_dict()
        for name in (_training_quality.XRAY, _training_quality.XRAY_224)
    )
    assert {name for name, value in usual.items() if value != large[name]} == {"image_size", "members"}


def test_radiographs_of_equalised_levels_differ_in_nothing_else():
    usual, equalised = (
        _training_quality.configuration(name, 144, seed=0).to_dict()
        for name in (_training_quality.XRAY, _training_quality.XRAY_LEVELS)
    )
    assert {name for name, value in usual.items() if value != equalised[name]} == {"levels"}


def test_a_search_keeps_near_copies_together_and_judges_another_hospital_by_models_of_this_one(tmp_path, monkeypatch):
    learning, other = (
        sets.Learning(one, replace(one, groups=tuple(f"v{name}" for name in one.groups)), ("a", "b"))
        for one in (part(12, groups=12), part(6, groups=6))
    )
    monkeypatch.setattr(_training_quality, "learning_of", lambda *_: learning)
    monkeypatch.setattr(more, "second_hospital", lambda *_: other.train)
    pool = _training_search.Pool.kept(more.SECOND, Path(), tmp_path / "tiles.npy")
    given, judging = pool.split(0)
    assert (len(given.train), len(given.val), len(judging), pool.n_train) == (12, 12, 6, 12)
    assert _training_search.recipe(pool, {"seed": 3}).seed == 3
    monkeypatch.setattr(more, "near_copies", lambda *_: [("0", "1"), ("1", "2"), ("5", "0")])
    named = _training_folds.with_copies(replace(learning.train, groups=tuple(map(str, range(12)))))
    assert len(set(named.groups)) == 9
    assert len({named.groups[position] for position in (0, 1, 2, 5)}) == 1
    folds = _training_folds.group_folds(named, 3)
    assert len({folds[position] for position in (0, 1, 2, 5)}) == 1
    with pytest.raises(SystemExit, match="must agree in sees and image_size"):
        _training_search.Pool.kept(more.CELLS, Path(), tmp_path / "other.npy", [{"sees": "grey"}, {}])
    with pytest.raises(SystemExit, match="breastmnist cannot be searched by levels"):
        _training_search.Pool.kept(more.BREAST, Path(), tmp_path / "other.npy", [{"levels": "equalised"}])


def test_a_file_is_seen_as_the_product_sees_it_in_colour():
    import io

    from PIL import Image

    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :40, 0], pixels[:, 40:, 2] = 200, 100
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    assert np.array_equal(more.view(out.getvalue()).pixels, pixels)


def test_a_near_copy_is_found_where_brightness_alone_differs_and_strangers_are_not():
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (4, 12, 12)).astype(np.uint8)
    tiles = np.stack([np.asarray(Image.fromarray(one).resize((256, 256), Image.Resampling.BICUBIC)) for one in coarse])
    first = sets.Part(tiles[:3], np.zeros(3, np.int64), ("a", "b", "c"))
    second = sets.Part(np.stack([tiles[3], tiles[1] // 2 + 20]), np.zeros(2, np.int64), ("x", "y"))
    assert more.near_copies(first, second) == [("b", "y")]
    assert more.without(second, {"y"}).tolist() == [0]


def test_figures_of_some_test_pictures_are_those_of_their_answers_alone():
    scans = part(40, groups=40)
    logits = np.where(scans.labels[:, None] == np.arange(2), 1.0, -1.0)
    logits[:10] *= -1
    runs = [{"test_logits": logits.tolist()}, {"test_logits": None}]
    assert _training_quality.apart(scans, runs, np.arange(10, 40)) == {"auroc": 1.0, "accuracy": 1.0}
    assert _training_quality.apart(scans, runs, np.arange(40))["accuracy"] == 0.75


def test_no_patient_of_the_second_hospital_is_in_both_halves(shared_data):
    if not (shared_data / more.SECOND).is_dir():
        pytest.skip(f"no {more.SECOND} among the shared data")
    halves = [
        more.second_hospital(shared_data, half, lambda files: np.zeros((len(files), 1, 1), np.uint8)) for half in "ab"
    ]
    assert not set(halves[0].groups) & set(halves[1].groups)
    assert sum(map(len, halves)) == 300
    assert all(0.4 < half.labels.mean() < 0.6 for half in halves)
