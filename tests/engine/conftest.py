"""The processor that the engine's tests run on, and what they share."""

import gc
import os
import subprocess
import sys

import pytest
import torch

from tests.engine.builders import know_weights

# What PyTorch calls a processor, and what oneDNN says of its own limit; a limit that it does not know it ignores.
LESSER = {"AVX2": "isa:Intel AVX2", "DEFAULT": "isa:Intel SSE4.1"}
CONVOLUTION = "import torch; torch.nn.functional.conv2d(torch.ones(2, 16, 32, 32), torch.ones(16, 16, 3, 3))"


@pytest.fixture(scope="session", autouse=True)
def _processor():
    """`make test-cpus` runs these tests as a lesser processor would compute, and names it in MEDISCAN_EXPECT_CPU: where that
    has no effect, every test fails."""
    capability = torch.backends.cpu.get_cpu_capability()
    if expected := os.environ.get("MEDISCAN_EXPECT_CPU"):
        assert capability == expected
        command, verbose = [sys.executable, "-c", CONVOLUTION], {**os.environ, "ONEDNN_VERBOSE": "1"}
        told = subprocess.run(command, env=verbose, capture_output=True, text=True, check=True).stdout
        assert LESSER[expected] in told
    with pytest.MonkeyPatch.context() as patch:
        if capability in LESSER:
            # PyTorch lists what the chip could do, whatever it was limited to; a lesser one cannot multiply bfloat16.
            patch.setattr(torch.cpu, "get_capabilities", dict)
        yield


@pytest.fixture(scope="session", autouse=True)
def _garbage_is_that_of_the_tests():
    """A training that runs out of memory collects garbage: what the libraries made when they were imported is none, and takes
    longer to look through than such a training takes."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def known_weights(monkeypatch):
    return know_weights(monkeypatch)
