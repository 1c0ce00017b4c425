"""How long one answer takes on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .predictor import Predictor
from .preprocess import blank_inputs

REPEATS = 7


def latency_ms(predictor: Predictor) -> float:
    """The median time of one answer about one scan, in milliseconds, on one thread: preprocessing and every network.

    One thread, because a site that grades many scans at once gives each no more. Processor time, not wall time: what
    else the machine is busy with must not decide how many networks serve.
    """
    tile, pixels = blank_inputs(predictor.manifest.preprocess, 1)
    times = []
    with _one_thread():
        predictor.predict(tile, pixels)
        for _ in range(REPEATS):
            began = time.process_time()
            predictor.predict(tile, pixels)
            times.append(time.process_time() - began)
    return 1000 * statistics.median(times)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
