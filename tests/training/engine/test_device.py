"""What a device is asked for, and what it computes with."""

import pytest
import torch

from tests.training.engine.builders import make_data, tiny_config
from tests.training.engine.test_faults import equal
from training.engine.config import ConfigError
from training.engine.device import Device, exact
from training.engine.fit import fit


@pytest.mark.parametrize(
    ("instructions", "half"),
    [
        ({}, None),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, None),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_a_cpu_multiplies_bfloat16_only_where_it_has_instructions_for_it(monkeypatch, instructions, half):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    device = Device.of("cpu", compiled=True)
    assert (device.half, device.compiled, device.looks_every) == (half, False, 1)
    assert not device.scaler().is_enabled()
    with device.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (half or torch.float32)


def test_a_gpu_that_is_not_there_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device: there is no GPU here that PyTorch can use; set TRAINING_DEVICE=cpu"):
        fit(make_data(), tiny_config(), device="cuda")


def test_compiling_without_a_compiler_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setenv("PATH", "")
    assert Device.of("cuda") == Device("cuda", torch.bfloat16)
    with pytest.raises(ConfigError, match="there is no C compiler here; install gcc, or set TRAINING_COMPILE=false"):
        Device.of("cuda", compiled=True)


def test_what_was_set_is_set_again_after_exact_operations():
    before = torch.are_deterministic_algorithms_enabled()
    with exact(Device()):
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before


@pytest.mark.parametrize("half", [None, torch.bfloat16])
def test_a_fit_is_equal_to_the_bit_and_learns_in_either_precision(monkeypatch, half):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": half is not None})
    config = tiny_config(epochs=4)
    once, twice = (fit(make_data(), config, device="cpu") for _ in range(2))
    assert equal(once.state_dict, twice.state_dict)
    assert all(value.dtype != torch.bfloat16 for value in once.state_dict.values())
    assert once.history[-1].val_auroc == 1.0
    assert once.history[-1].val_loss < once.history[0].val_loss - 0.05
