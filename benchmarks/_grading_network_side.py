"""One side of `benchmarks._grading_network`, in a process of its own: python -m benchmarks._grading_network_side SIDE

For each name of a job that comes in as a line it does the job some times in a row and answers with the seconds of one: the
processor's and the clock's."""

import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._grading_network import INTEGERS, JOBS, LARGE, THREADS, USUAL, bundle
from mediscan_site.core import threads

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor

IN_A_ROW = 5
Job = Callable[[], Any]


def main() -> None:
    side = sys.argv[1]
    if side != USUAL:
        # As a grade worker has it; what most people run has PyTorch's own.
        threads.wait_briefly()
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    jobs = {name: _job(side, name) for name in JOBS}
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_seconds(jobs[line.strip()])), flush=True)


def _seconds(job: Job) -> tuple[float, float]:
    job()  # after a pause threads and caches are cold, on every side
    began, spent = time.perf_counter(), time.process_time()
    for _ in range(IN_A_ROW):
        job()
    return (time.process_time() - spent) / IN_A_ROW, (time.perf_counter() - began) / IN_A_ROW


def _job(side: str, name: str) -> Job:
    import torch

    from models_registry.inference import bundle as bundles
    from models_registry.inference.predictor import Predictor

    torch.set_num_threads(THREADS)
    if name == LARGE and side == USUAL:
        return _tutorial()
    predictor = Predictor(bundles.unpack(bundle([(1, "NORMAL"), (2, "OPACITY")], **JOBS[name])))
    run = predictor.eager.run if side == USUAL else _graph(predictor, in_integers=side == INTEGERS).run
    if name == LARGE:
        return _graded(run)
    size = predictor.manifest.preprocess.size
    # Of its own size already: shrinking is no part of the network.
    tile = np.random.default_rng(0).integers(0, 256, (1, size, size), dtype=np.uint8)
    return lambda: run(tile)


def _graph(predictor: "Predictor", *, in_integers: bool) -> Any:
    """In integers: whether such a graph may serve is `inference.agreement`'s to say."""
    from models_registry.inference import graph
    from models_registry.inference.quantised import quantise

    data = graph.export(predictor.networks, predictor.manifest, predictor.digest)
    if in_integers:
        size = predictor.manifest.preprocess.size
        data = quantise(data, np.random.default_rng(1).integers(0, 256, (16, size, size), dtype=np.uint8))
    return graph.Graph(data, predictor.manifest, threads=THREADS)


def _large_jpeg() -> bytes:
    from images.phantoms import phantom

    target = io.BytesIO()
    phantom(1, 0, True).resize((2000, 1600)).save(target, "JPEG", quality=90)  # noqa: FBT003 -- an opacity
    return target.getvalue()


def _tutorial() -> Job:
    """From the bytes of a large JPEG to logits as most tutorials do it."""
    import torch
    from PIL import Image
    from torchvision import transforms

    from models_registry.inference.architectures import build

    data = _large_jpeg()
    usual = transforms.Compose(
        [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
    )
    # The tutorials' network sees three channels.
    network = build("resnet18", 2, 3).eval()

    def tutorial() -> Any:
        with torch.no_grad(), Image.open(io.BytesIO(data)) as picture:
            return network(usual(picture.convert("RGB"))[None])

    return tutorial


def _graded(run: Callable[[Any], Any]) -> Job:
    """The same by the site's own decoder, which makes the thumbnail as well, and graph."""
    from images.decoding.job import Job as Decoding
    from images.decoding.render import render

    data = _large_jpeg()
    job = Decoding(format="JPEG", max_pixels=10**8, max_bytes=10**9, timeout_s=60, rendition=False)

    def ours() -> Any:
        _, parts = render(data, job)
        return run(np.frombuffer(parts["tile"], dtype=np.uint8).reshape(1, 256, 256))

    return ours


if __name__ == "__main__":
    main()
