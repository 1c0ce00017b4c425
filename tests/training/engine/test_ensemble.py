"""Several networks and folds in one run: seeds, resume, epochs, bundle."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models_registry.inference.architectures import COMPACT
from models_registry.inference.bundle import BundleError, Manifest, join_members, pack, split_members, unpack
from models_registry.inference.predictor import Predictor
from tests.training.engine.builders import make_data, make_manifest, make_tiles, tiny_config
from training.engine import folds
from training.engine.calibrating import OUT_OF_FOLD, out_of_fold_scans
from training.engine.checkpoint import CheckpointError
from training.engine.config import TrainConfig
from training.engine.ensemble import Trained, merged, train
from training.engine.fit import fit
from training.engine.report import EpochReport
from training.engine.series import Watch, from_bytes, to_bytes
from training.engine.setup import initial_network

GROUPS = [f"patient:{n}" for n in range(24)]


def small(**changes) -> TrainConfig:
    return tiny_config(image_size=28, **changes)


class Log:
    """Everything that a run tells, and a way to stop it after so many epochs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.progress: list[float] = []
        self.said: list[str] = []
        self.epochs: list[EpochReport] = []
        self.saved: list[bytes] = []
        self.stop_after = stop_after

    def watch(self) -> Watch:
        return Watch(self._progress, self.epochs.append, self._stop, self.saved.append)

    def _progress(self, fraction: float, message: str) -> None:
        self.progress.append(fraction)
        self.said.append(message)

    def _stop(self) -> bool:
        return self.stop_after is not None and len(self.epochs) >= self.stop_after


def run(config: TrainConfig, log: Log | None = None, **options) -> Trained:
    watch = (log or Log()).watch()
    return train(make_data(16, 8), config, watch, groups=GROUPS, checkpoint_interval_s=0.0, **options)


def untimed(report: EpochReport) -> EpochReport:
    return replace(report, seconds=0.0, input_share=0.0)


def same_weights(one: Trained, other: Trained) -> bool:
    pairs = zip(one.members, other.members, strict=True)
    return all(torch.equal(a.state_dict[name], b.state_dict[name]) for a, b in pairs for name in a.state_dict)


@pytest.fixture(scope="module")
def whole():
    log = Log()
    return run(small(members=2, folds=2), log), log


def test_one_network_without_folds_is_the_plain_fit_checkpoints_included():
    config, log, plain = small(), Log(), Log()
    trained = run(config, log)
    alone = fit(
        make_data(16, 8),
        config,
        on_progress=plain._progress,
        on_epoch_end=plain.epochs.append,
        save_checkpoint=plain.saved.append,
        checkpoint_interval_s=0.0,
    )
    (member,) = trained.members
    assert trained.out_of_fold is None
    assert merged(trained.members) is member
    assert all(torch.equal(member.state_dict[name], alone.state_dict[name]) for name in alone.state_dict)
    assert log.progress == plain.progress
    assert [report.phase for report in log.epochs] == ["full", "full"]
    assert len(log.saved) == len(plain.saved) == 1


def test_the_first_of_several_networks_is_the_one_that_would_be_trained_alone(whole):
    first, second = whole[0].members
    (alone,) = run(small()).members
    assert all(torch.equal(first.state_dict[name], alone.state_dict[name]) for name in alone.state_dict)
    assert not torch.equal(first.state_dict["conv1.weight"], second.state_dict["conv1.weight"])
    assert len({folds.member_seed(7, index) for index in range(5)}) == 5


def test_progress_only_rises_and_epochs_count_through_with_the_name_of_their_network(whole):
    log = whole[1]
    assert log.progress == sorted(log.progress)
    assert log.progress[-1] == pytest.approx(1)
    assert [report.epoch for report in log.epochs] == list(range(1, 13))
    assert {report.epochs for report in log.epochs} == {12}
    names = ["member 1", "member 2", "fold 1.1", "fold 1.2", "fold 2.1", "fold 2.2"]
    assert [report.phase for report in log.epochs] == [f"{name} full" for name in names for _ in range(2)]
    assert all(len(report.phase) <= 16 for report in log.epochs)
    assert log.said[-1].startswith("fold 2.2: ")


def test_a_run_resumed_anywhere_is_the_run_that_was_never_interrupted(whole):
    trained, log = whole
    assert len(log.saved) == 11, "within each training, and after each but the last"
    for saved in (log.saved[2], log.saved[6]):
        again = Log()
        resumed = run(small(members=2, folds=2), again, resume=saved)
        assert same_weights(resumed, trained)
        assert np.array_equal(resumed.out_of_fold, trained.out_of_fold)  # type: ignore[arg-type]
        assert again.epochs[0].epoch > 1
        known = {report.epoch: untimed(report) for report in log.epochs}
        assert [untimed(report) for report in again.epochs] == [known[report.epoch] for report in again.epochs]


def test_a_finished_training_is_not_repeated(whole):
    after_fold_1 = whole[1].saved[7]
    done, current = from_bytes(after_fold_1, _key(whole[1].saved))
    assert (len(done), current) == (4, None)
    again = Log()
    run(small(members=2, folds=2), again, resume=after_fold_1)
    assert [report.phase for report in again.epochs] == ["fold 2.1 full"] * 2 + ["fold 2.2 full"] * 2


def _key(saved: list[bytes]) -> str:
    import json

    length = int.from_bytes(saved[0][:8], "little")
    key: str = json.loads(json.loads(saved[0][8 : 8 + length])["__metadata__"]["mediscan_series"])["key"]
    return key


def test_a_run_that_is_stopped_says_so_and_keeps_what_is_finished():
    log = Log(stop_after=3)
    trained = run(small(members=2), log)
    assert (trained.stopped, len(trained.members), trained.out_of_fold) == (True, 1, None)
    assert len(log.epochs) == 3


@pytest.mark.parametrize("change", [{"seed": 9}, {"folds": 3}, {"members": 3}])
def test_the_checkpoint_of_another_run_is_refused(whole, change):
    with pytest.raises(CheckpointError, match="another run"):
        run(replace(small(members=2, folds=2), **change), resume=whole[1].saved[0])


@pytest.mark.parametrize("damage", [lambda d: d[:50], lambda d: b"", lambda d: d[:8] + b"x" + d[9:]])
def test_a_damaged_checkpoint_is_refused(whole, damage):
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(small(members=2, folds=2), resume=damage(whole[1].saved[0]))


def test_the_bytes_of_a_series_give_back_what_was_put_in(whole):
    done, current = from_bytes(to_bytes(whole[0].members, b"bytes of a leg", "k"), "k")
    assert current == b"bytes of a leg"
    assert [result.history for result in done] == [member.history for member in whole[0].members]
    assert np.array_equal(done[1].val_logits, whole[0].members[1].val_logits)


def test_a_bundle_of_several_networks_gives_the_mean_of_their_logits(whole):
    result = merged(whole[0].members)
    assert (result.members, len(result.history), result.best_epoch) == (2, 4, whole[0].members[0].best_epoch)
    assert [report.epoch for report in result.history] == [1, 2, 3, 4]
    several = Predictor(unpack(pack(_manifest(result.preprocess, 2), result.state_dict)))
    single = [
        Predictor(unpack(pack(_manifest(result.preprocess, 1), member.state_dict))) for member in whole[0].members
    ]
    data = make_data(16, 8)
    found = several.predict(data.val_tiles).logits
    assert np.allclose(found, np.mean([one.predict(data.val_tiles).logits for one in single], axis=0), atol=1e-6)
    assert np.allclose(found, result.val_logits, atol=1e-6)
    assert np.array_equal(
        several.features(data.val_tiles), np.concatenate([one.features(data.val_tiles) for one in single], axis=1)
    )
    maps = [one.heatmap(data.val_tiles[0], 1) for one in single]
    both = several.heatmap(data.val_tiles[0], 1)
    mean = np.mean(maps, axis=0)
    assert np.allclose(both, mean / max(float(mean.max()), 1e-9), atol=1e-6)


def _manifest(preprocess, members: int) -> Manifest:
    return make_manifest(preprocess=preprocess, members=members)


def test_features_of_no_tiles_have_the_width_of_the_heads(whole):
    result = merged(whole[0].members)
    several = Predictor(unpack(pack(_manifest(result.preprocess, 2), result.state_dict)))
    assert several.features(make_tiles(0)[0]).shape == (0, 2 * 192)


def test_the_head_reads_the_features():
    network = initial_network(COMPACT, 2, 0)
    model = Predictor(unpack(pack(make_manifest(), network.state_dict())))
    tiles = make_tiles(3)[0]
    with torch.no_grad():
        logits = network.fc(torch.from_numpy(model.features(tiles))).numpy()
    assert np.allclose(logits, model.predict(tiles).logits, atol=1e-5)


def test_a_bundle_must_hold_exactly_its_members():
    state = initial_network(COMPACT, 2, 0).state_dict()
    manifest = make_manifest(members=2)
    with pytest.raises(BundleError, match="missing"):
        pack(manifest, state)
    with pytest.raises(BundleError, match="unexpected"):
        pack(manifest, join_members([state, state, state]))
    assert len(split_members(join_members([state, state]), 2)) == 2


@pytest.mark.parametrize(
    ("members", "message"), [(0, "1 to 5"), (6, "1 to 5"), ("2", "JSON int"), (True, "JSON int"), (None, "JSON int")]
)
def test_a_number_of_members_that_cannot_be_is_refused(members, message):
    with pytest.raises(BundleError, match=message):
        Manifest.from_dict({**make_manifest().to_dict(), "members": members})


def test_a_manifest_of_one_network_does_not_speak_of_members():
    assert "members" not in make_manifest().to_dict()
    assert Manifest.from_dict(make_manifest().to_dict()).members == 1
    assert Manifest.from_dict(make_manifest(members=3).to_dict()).members == 3


def test_out_of_fold_logits_stand_at_their_scans(whole):
    trained, config = whole[0], small(members=2, folds=2)
    data = make_data(16, 8)
    parts = folds.assign(folds.all_labels(data), GROUPS, 2, config.seed)
    assert trained.out_of_fold is not None
    assert trained.out_of_fold.shape == (2, 24, 2)
    for member, leg in enumerate(folds.legs(data, config, GROUPS)[2:]):
        alone = leg.kept(fit(leg.data(), leg.config))
        assert np.array_equal(trained.out_of_fold[member, parts == 1], alone.val_logits.astype(np.float64))
    assert not np.array_equal(trained.out_of_fold[0], trained.out_of_fold[1])


def test_what_is_calibrated_is_the_mean_that_serves(whole):
    trained = whole[0]
    assert trained.out_of_fold is not None
    labels = folds.all_labels(make_data(16, 8))
    for count in (1, 2):
        scans = out_of_fold_scans(trained.out_of_fold, merged(trained.members[:count]), labels, GROUPS)
        assert (scans.networks, scans.origin, scans.n_groups) == (count, OUT_OF_FOLD, len(set(GROUPS)))
        assert np.allclose(scans.logits, trained.out_of_fold[:count].mean(axis=0), atol=1e-12)
