"""The processor that the engine's tests run on, and what they share."""

import os
import subprocess
import sys

import pytest
import torch

from tests.training.engine.builders import know_weights

# PyTorch's name for a processor, and how oneDNN reports the matching limit: it silently ignores a limit it does not know.
OLDER = {"AVX2": "isa:Intel AVX2", "DEFAULT": "isa:Intel SSE4.1"}
CONVOLUTION = "import torch; torch.nn.functional.conv2d(torch.ones(2, 16, 32, 32), torch.ones(16, 16, 3, 3))"


@pytest.fixture(scope="session", autouse=True)
def _processor():
    """`make test-cpus` runs these tests as an older processor would and names it in MEDISCAN_EXPECT_CPU: if the limits had no
    effect, every test fails."""
    capability = torch.backends.cpu.get_cpu_capability()
    if expected := os.environ.get("MEDISCAN_EXPECT_CPU"):
        assert capability == expected
        command, verbose = [sys.executable, "-c", CONVOLUTION], {**os.environ, "ONEDNN_VERBOSE": "1"}
        told = subprocess.run(command, env=verbose, capture_output=True, text=True, check=True).stdout
        assert OLDER[expected] in told
    with pytest.MonkeyPatch.context() as patch:
        if capability in OLDER:
            # PyTorch lists what the chip can do, whatever the limits; the older ones cannot multiply bfloat16.
            patch.setattr(torch.cpu, "get_capabilities", dict)
        yield


@pytest.fixture
def known_weights(monkeypatch):
    return know_weights(monkeypatch)
