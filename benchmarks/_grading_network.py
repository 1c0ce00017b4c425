"""What the network alone takes, in this process: PyTorch as it is beside the exported graph, on the same threads."""

import io
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from models_registry.inference import bundle as bundles
from models_registry.inference import graph
from models_registry.inference.architectures import build
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from models_registry.inference.quantised import quantise
from models_registry.statistics.calibration import Calibration, Referral

THREADS = 2
Job = Callable[[], Any]


def bundle(
    classes: Sequence[tuple[int, str]], *, seed: int = 0, architecture: str = "resnet_compact", size: int = 64,
    members: int = 3, channels: int = 1,
) -> bytes:  # fmt: skip
    """Random weights: how long an answer takes does not depend on what it says. By default the usual committee of three."""
    states = []
    for number in range(members):
        torch.manual_seed(100 * seed + number)
        states.append(build(architecture, len(classes), channels).state_dict())
    manifest = bundles.Manifest(
        architecture=architecture,
        classes=tuple(bundles.ClassRef(key, name) for key, name in classes),
        preprocess=Preprocess(size, 0.5, 0.25, channels),
        calibration=Calibration(1.5, 100),
        referral=Referral(0.0, 0.9, 0.9, 100),
        prevalence=tuple(1 / len(classes) for _ in classes),
        dataset_hash="d" * 64,
        members=members,
    )
    return bundles.pack(manifest, bundles.join_members(states))


def figures(rounds: int) -> dict[str, Any]:
    torch.set_num_threads(THREADS)
    deep = _both(architecture="resnet18", size=224, members=1)
    small = _both(size=28, members=3)
    usual = _both(size=64, members=3)
    return {
        "fp32_vs_eager": ratio(*_on_tiles(deep), rounds),
        "int8_vs_eager": ratio(*_on_tiles(_in_integers(deep)), rounds),
        "committee_int8_vs_eager": ratio(*_on_tiles(_in_integers(small)), rounds),
        "committee_vs_eager": ratio(*_on_tiles(small), rounds),
        "committee_64_vs_eager": ratio(*_on_tiles(usual), rounds),
        "full_grade_vs_usual": ratio(*_full_grade(deep), rounds),
    }


def _both(**shape: Any) -> tuple[Predictor, graph.Graph]:
    predictor = Predictor(bundles.unpack(bundle([(1, "NORMAL"), (2, "OPACITY")], **shape)))
    data = graph.export(predictor.networks, predictor.manifest, predictor.digest)
    return predictor, graph.Graph(data, predictor.manifest, threads=THREADS)


def _in_integers(pair: tuple[Predictor, graph.Graph]) -> tuple[Predictor, graph.Graph]:
    """The same network with its graph in 8-bit integers; whether one may serve is `inference.agreement`'s to say."""
    predictor, _ = pair
    size = predictor.manifest.preprocess.size
    pixels = np.random.default_rng(1).integers(0, 256, (16, size, size), dtype=np.uint8)
    data = quantise(graph.export(predictor.networks, predictor.manifest, predictor.digest), pixels)
    return predictor, graph.Graph(data, predictor.manifest, threads=THREADS)


def _on_tiles(pair: tuple[Predictor, graph.Graph]) -> tuple[Job, Job]:
    predictor, exported = pair
    # Of its own size already: shrinking is no part of the network.
    size = predictor.manifest.preprocess.size
    tile = np.random.default_rng(0).integers(0, 256, (1, size, size), dtype=np.uint8)
    return lambda: predictor.eager.run(tile), lambda: exported.run(tile)


def _full_grade(pair: tuple[Predictor, graph.Graph]) -> tuple[Job, Job]:
    """From the bytes of a large JPEG to logits: as most tutorials do it, and by the site's own decoder and graph."""
    from images.decoding.job import Job as Decoding
    from images.decoding.render import render

    predictor, exported = pair
    data = _large_jpeg()
    usual = transforms.Compose(
        [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
    )
    # The tutorials' network sees three channels.
    network = build("resnet18", 2, 3).eval()

    def tutorial() -> Any:
        with torch.no_grad(), Image.open(io.BytesIO(data)) as picture:
            return network(usual(picture.convert("RGB"))[None])

    job = Decoding(format="JPEG", max_pixels=10**8, max_bytes=10**9, timeout_s=60, rendition=False)

    def ours() -> Any:
        _, parts = render(data, job)
        return exported.run(np.frombuffer(parts["tile"], dtype=np.uint8).reshape(1, 256, 256))

    del predictor
    return tutorial, ours


def _large_jpeg() -> bytes:
    from images.phantoms import phantom

    target = io.BytesIO()
    phantom(1, 0, True).resize((2000, 1600)).save(target, "JPEG", quality=90)  # noqa: FBT003 -- an opacity
    return target.getvalue()


def ratio(before: Job, after: Job, rounds: int) -> float:
    """Processor time of the first ÷ the second: the median over interleaved rounds. Processor time, because other programs of
    the machine take turns with both."""
    found = []
    for number in range(rounds + 2):
        spent = []
        for job in (before, after):
            began = time.process_time()
            job()
            spent.append(time.process_time() - began)
        if number >= 2:  # the first ones load what is loaded late
            found.append(spent[0] / spent[1])
    return round(statistics.median(found), 3)
