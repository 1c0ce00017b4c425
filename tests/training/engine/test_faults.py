"""What goes wrong in a training and is mended, and what stops it."""

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.engine.builders import make_data, tiny_config
from training.engine import caching, loop, pictures, schedule
from training.engine.config import TrainConfig
from training.engine.device import out_of_memory
from training.engine.fit import fit
from training.engine.report import OutOfMemory

NO_MEMORY = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def faulty(monkeypatch: pytest.MonkeyPatch, fault: Callable[[loop.State, Tensor, Tensor], Tensor]) -> None:
    """Every loss goes through ``fault``, which is given the run, the input and the loss."""
    sound = loop._loss
    monkeypatch.setattr(loop, "_loss", lambda run, x, target: fault(run, x, sound(run, x, target)))


def nan_once(run: loop.State, x: Tensor, loss: Tensor) -> Tensor:
    return loss * float("nan") if run.backoffs == 0 and run.epoch == 1 else loss


def too_large(limit: int) -> Callable[[loop.State, Tensor, Tensor], Tensor]:
    def fault(run: loop.State, x: Tensor, loss: Tensor) -> Tensor:
        if len(x) > limit:
            raise RuntimeError(NO_MEMORY)
        return loss

    return fault


def resumed(config: TrainConfig, after: int) -> dict[str, Tensor]:
    """The weights of a run that is stopped after so many epochs and taken up again."""
    saved: list[bytes] = []
    stop = {"should_stop": lambda: len(saved) == after, "checkpoint_interval_s": 0, "save_checkpoint": saved.append}
    assert fit(make_data(), config, device="cpu", **stop).stopped  # type: ignore[arg-type]
    return fit(make_data(), config, device="cpu", resume=saved[-1]).state_dict


def test_after_a_loss_that_is_not_finite_the_epoch_begins_again_with_half_the_rate_and_says_so(monkeypatch):
    config = tiny_config(epochs=3, learning_rate=1e-3)
    sound = fit(make_data(), config, device="cpu")
    faulty(monkeypatch, nan_once)
    mended = fit(make_data(), config, device="cpu")
    assert [r.note for r in mended.history] == [
        "",
        "the loss is not finite in epoch 2, step 1: begun again with half the learning rate",
        "",
    ]
    assert mended.history[0].val_loss == sound.history[0].val_loss
    assert mended.history[1].learning_rate == pytest.approx(sound.history[1].learning_rate / 2)
    assert mended.history[2].learning_rate == pytest.approx(sound.history[2].learning_rate / 2)
    assert all(torch.isfinite(value).all() for value in mended.state_dict.values())


@pytest.mark.parametrize("after", [1, 2])
def test_a_mended_run_resumes_to_the_same_bits(monkeypatch, after):
    config = tiny_config(epochs=4)
    faulty(monkeypatch, nan_once)
    assert equal(resumed(config, after), fit(make_data(), config, device="cpu").state_dict)


def test_weights_that_are_not_finite_are_found_in_validation(monkeypatch):
    judge = loop._validation_logits

    def broken(run: loop.State, calls: loop.Callbacks):
        logits = judge(run, calls)
        return logits * float("nan") if run.backoffs == 0 else logits

    monkeypatch.setattr(loop, "_validation_logits", broken)
    result = fit(make_data(), tiny_config(epochs=1), device="cpu")
    assert "the weights are not finite after epoch 1: begun again" in result.history[0].note


def test_when_memory_runs_out_the_batch_is_taken_in_parts_and_the_run_goes_on(monkeypatch):
    faulty(monkeypatch, too_large(3))
    result = fit(make_data(), tiny_config(epochs=2, batch_size=8), device="cpu")
    assert result.history[0].note == (
        "memory ran out: 4 scans at a time, gradients added up; memory ran out: 2 scans at a time, gradients added up"
    )
    assert [r.epoch for r in result.history] == [1, 2]
    assert equal(resumed(tiny_config(epochs=2, batch_size=8), 1), result.state_dict)


def test_what_a_step_without_memory_held_is_free_before_the_run_is_mended(monkeypatch):
    held: list[weakref.ref[Tensor]] = []
    free: list[bool] = []

    def fault(run: loop.State, x: Tensor, loss: Tensor) -> Tensor:
        if run.micro:
            return loss
        large = torch.zeros(8)
        held.append(weakref.ref(large))
        raise RuntimeError(NO_MEMORY)

    def shrink(run: loop.State) -> None:
        free.extend(one() is None for one in held)
        sound(run)

    sound = loop.State.shrink
    faulty(monkeypatch, fault)
    monkeypatch.setattr(loop.State, "shrink", shrink)
    assert len(fit(make_data(), tiny_config(), device="cpu").history) == 2
    assert free == [True]


def test_when_memory_runs_out_in_validation_fewer_scans_are_judged_at_a_time(monkeypatch):
    sound, sizes = loop.predict_logits, []

    def predict(*args, batch: int, **options):
        sizes.append(batch)
        if batch > 4:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return sound(*args, batch=batch, **options)

    monkeypatch.setattr(loop, "predict_logits", predict)
    result = fit(make_data(), tiny_config(epochs=1, batch_size=8), device="cpu")
    assert sizes == [32, 4, 4]
    assert "memory ran out: 4 scans at a time" in result.history[0].note


def test_when_the_state_to_go_back_to_does_not_fit_the_epoch_is_taken_again(monkeypatch):
    sound = loop.State.keep

    def keep(run: loop.State) -> None:
        if run.epoch and not run.micro:
            raise RuntimeError(NO_MEMORY)
        sound(run)

    monkeypatch.setattr(loop.State, "keep", keep)
    result = fit(make_data(), tiny_config(epochs=2), device="cpu")
    assert [report.epoch for report in result.history] == [1, 2]
    assert "memory ran out" in result.history[0].note


def test_parts_of_a_batch_add_up_to_the_batch(monkeypatch, known_weights):
    config = tiny_config(pretrained=True, epochs=2, frozen_epochs=2, batch_size=8)
    whole = fit(make_data(), config, device="cpu").state_dict
    faulty(monkeypatch, too_large(3))
    parts = fit(make_data(), config, device="cpu").state_dict
    assert all(torch.allclose(whole[name], parts[name], atol=1e-5) for name in whole)


def test_when_even_the_smallest_batch_does_not_fit_the_run_ends_with_what_to_do(monkeypatch):
    faulty(monkeypatch, too_large(0))
    with pytest.raises(OutOfMemory, match=r"even for 2 scans at a time\. Choose an image_size below 32"):
        fit(make_data(), tiny_config(), device="cpu")


def test_other_failures_are_not_taken_for_a_lack_of_memory(monkeypatch):
    def broken(*_: object) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    faulty(monkeypatch, broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(make_data(), tiny_config(), device="cpu")
    assert out_of_memory(MemoryError())
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert out_of_memory(RuntimeError(NO_MEMORY))
    assert not out_of_memory(ValueError("out of memory"))


def test_a_run_without_gain_lets_the_rate_come_down_ends_early_and_says_so(monkeypatch):
    monkeypatch.setattr(loop, "macro_auroc", lambda *_: 0.9)
    told: list[tuple[float, str]] = []
    seen: list[int] = []
    saved: list[bytes] = []
    config = tiny_config(epochs=10, patience=2)
    result = fit(
        make_data(),
        config,
        on_progress=lambda *now: told.append(now),
        on_epoch_end=lambda report: seen.append(report.epoch),
        save_checkpoint=saved.append,
        checkpoint_interval_s=0,
        device="cpu",
    )
    # The learning rate peaks after three of ten epochs; two more without a gain are enough, and in two it comes down.
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert result.history[4].note == "no gain in validation AUROC for 2 epochs: the run ends after 2 more"
    rates = [report.learning_rate for report in result.history]
    assert max(rates) == rates[2] > rates[3] > rates[4] > rates[5] > rates[6]
    assert rates[6] == pytest.approx(config.learning_rate / schedule.START_DIVISOR / schedule.END_DIVISOR)
    assert result.best_epoch == 7
    assert not result.stopped
    assert told[-1] == (1.0, "epoch 7 of 7")
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    for epoch in (4, 6):
        assert equal(fit(make_data(), config, resume=saved[epoch - 1], device="cpu").state_dict, result.state_dict)


def test_a_run_is_stopped_while_features_are_read_and_while_it_validates(monkeypatch, known_weights):
    monkeypatch.setattr(caching, "BATCH", 4)
    asked: list[int] = []

    def third_time() -> bool:
        asked.append(1)
        return len(asked) >= 3

    config = tiny_config(pretrained=True, epochs=2, frozen_epochs=1)
    result = fit(make_data(), config, should_stop=third_time, device="cpu")
    assert (result.stopped, result.history, len(asked)) == (True, (), 3)
    monkeypatch.setattr(loop, "BATCH", 4)
    monkeypatch.setattr(pictures, "MOST_PICTURES", 4)
    asked.clear()
    # One batch, then the first part of the validation scans, then the stop.
    result = fit(make_data(n_train=8), tiny_config(epochs=1), should_stop=third_time, device="cpu")
    assert (result.stopped, result.history, len(asked)) == (True, (), 3)


@pytest.mark.parametrize(("instructions", "tolerance"), [({}, 1e-5), ({"avx512_bf16": True}, 5e-3)])
def test_the_backbone_of_a_frozen_phase_runs_once_and_its_features_judge_as_the_network_does(
    monkeypatch, known_weights, instructions, tolerance
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    rows: list[int] = []
    real = caching.features

    def counted(network, x: Tensor) -> Tensor:
        rows.append(len(x))
        return real(network, x)

    monkeypatch.setattr(caching, "features", counted)
    changes = {"allow_flips": True, "flip_tta": True, "any_angle": True, "turned_tta": True}
    config = tiny_config(pretrained=True, epochs=3, frozen_epochs=3, **changes)
    cached = []
    head = loop.head_logits
    monkeypatch.setattr(loop, "head_logits", lambda *a: cached.append(head(*a)) or cached[-1])
    result = fit(make_data(), config, device="cpu")
    assert sum(rows) == 16 + 8 * 8
    assert np.allclose(cached[result.best_epoch - 1], result.val_logits, atol=tolerance)
