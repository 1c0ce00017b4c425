"""The processor that the engine's tests run on, and what they share."""

import gc
import os
import subprocess
import sys

import pytest
import torch

from tests.engine.builders import know_weights

# What oneDNN says of itself under each limit of ONEDNN_MAX_CPU_ISA. A limit that it does not know it ignores.
INSTRUCTIONS = {"AVX2": "isa:Intel AVX2", "SSE41": "isa:Intel SSE4.1"}
CONVOLUTION = "import torch; torch.nn.functional.conv2d(torch.ones(2, 16, 32, 32), torch.ones(16, 16, 3, 3))"


@pytest.fixture(scope="session", autouse=True)
def processor():
    """`make test-cpus` runs these tests as a lesser processor would: MEDISCAN_EXPECT_CPU names what PyTorch must then call it,
    so that a setting without effect fails every test. Unset, the tests run on this machine's own."""
    expected = os.environ.get("MEDISCAN_EXPECT_CPU")
    if expected is None:
        yield
        return
    assert torch.backends.cpu.get_cpu_capability() == expected
    told = subprocess.run(
        [sys.executable, "-c", CONVOLUTION],
        env={**os.environ, "ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert INSTRUCTIONS[os.environ["ONEDNN_MAX_CPU_ISA"]] in told
    # PyTorch tells what the chip can do whatever the limits; a lesser one would not multiply bfloat16.
    with pytest.MonkeyPatch.context() as patch:
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
