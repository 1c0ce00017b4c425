"""From tiles to calibrated probabilities, a decision and a heat map."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models_registry.statistics.calibration import Floats
from models_registry.statistics.prior import served_probabilities

from . import heat
from .architectures import Network, restored
from .bundle import Bundle
from .knowing import rules
from .knowing.detector import Detector, Resemblance
from .knowing.reasons import reasons
from .manifest import Manifest
from .names import TILE_SIDE
from .poses import AS_IT_IS, Poses
from .preprocess import Pixels, Preprocess, Tiles, blank_inputs
from .refer_reasons import ReferReason
from .runtimes import BATCH, Eager, Outputs, Runtime, batch_for

ANSWER, REFER = "answer", "refer"


@dataclass(frozen=True)
class Decision:
    """`decision` is "answer" or "refer"; `reasons` says why it was referred (empty for an answer)."""

    decision: str
    reasons: tuple[ReferReason, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """Probabilities (N, K) float64 after temperature scaling, at the expected prevalence; raw logits (N, K) and the pooled
    features (N, D) that the heads read, those of several networks side by side, both float32.

    `calibrated` is False when no temperature could be fitted; the probabilities are then plain softmax values that
    must not be shown as a confidence. `resemblance`: how far each scan lies from what was learned, None where the version cannot
    tell. `spread` (N,): the standard deviation, over the networks, of the probability of the predicted class; None of one
    network. `unreadable`: of each scan, why nobody could read the picture.
    """

    probabilities: Floats
    logits: npt.NDArray[np.float32]
    calibrated: bool
    features: npt.NDArray[np.float32]
    resemblance: Resemblance | None = None
    spread: Floats | None = None
    unreadable: tuple[tuple[ReferReason, ...], ...] = ()

    def each(self) -> list[Predictions]:
        """Those of every scan by itself."""
        return [self._one(slice(index, index + 1)) for index in range(len(self.logits))]

    def _one(self, at: slice) -> Predictions:
        return Predictions(
            self.probabilities[at],
            self.logits[at],
            self.calibrated,
            self.features[at],
            resemblance=self.resemblance and Resemblance(self.resemblance.distances[at], self.resemblance.postures[at]),
            spread=None if self.spread is None else self.spread[at],
            unreadable=self.unreadable[at],
        )

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The most probable class index (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidences(self) -> Floats:
        """The probability of the most probable class (N,)."""
        return np.asarray(self.probabilities.max(axis=1), dtype=np.float64)


def predict_logits(
    network: Network,
    preprocess: Preprocess,
    tiles: Tiles,
    *,
    poses: Poses = AS_IT_IS,
    device: str = "cpu",
    batch: int = BATCH,
) -> npt.NDArray[np.float32]:
    """Logits (N, K) of a network in evaluation mode, the mean over `poses`. `batch`: scans at a time, at most."""
    network.eval()
    rows, batch = [], min(batch, batch_for(preprocess.size))
    with torch.inference_mode():
        for start in range(0, len(tiles), batch):
            x = preprocess.to_tensor(tiles[start : start + batch]).to(device, memory_format=torch.channels_last)
            rows.append(poses.mean(network(x), network, x).float().cpu())
    if not rows:
        return np.zeros((0, network.fc.out_features), dtype=np.float32)
    return np.asarray(torch.cat(rows).numpy(), dtype=np.float32)


def mean_logits(
    networks: Sequence[Network], preprocess: Preprocess, tiles: Tiles, *, poses: Poses = AS_IT_IS, device: str = "cpu"
) -> npt.NDArray[np.float32]:
    """The mean of the networks' logits (N, K); a single network's are given as they are.

    Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017,
    average probabilities; the mean of logits is their geometric mean, and one temperature calibrates it.
    """
    logits = [predict_logits(network, preprocess, tiles, poses=poses, device=device) for network in networks]
    if len(logits) == 1:
        return logits[0]
    return np.asarray(np.mean(logits, axis=0, dtype=np.float64), dtype=np.float32)


def decide(manifest: Manifest, confidence: float, against: Sequence[ReferReason] = ()) -> Decision:
    """Answer when nothing speaks against it and the calibrated confidence reaches the refer threshold; without calibration always
    refer. `against`: what was found about this scan; then its confidence means nothing, and is no reason of its own."""
    if against:
        return Decision(REFER, tuple(dict.fromkeys(against)))
    if not manifest.calibration.available:
        return Decision(REFER, (ReferReason.NOT_CALIBRATED,))
    if confidence < manifest.referral.threshold:
        return Decision(REFER, (ReferReason.BELOW_THRESHOLD,))
    return Decision(ANSWER)


class Predictor:
    """A loaded bundle, ready to answer; safe to share between threads, as nothing changes after construction."""

    def __init__(self, bundle: Bundle, device: str = "cpu", runtime: Runtime | None = None) -> None:
        """`runtime`: what computes the outputs instead of PyTorch; heat maps are always PyTorch's."""
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.digest = bundle.digest
        self._device = device
        self.networks = [self._network(state) for state in bundle.member_states]
        self.eager = Eager(self.networks, self.manifest.preprocess, poses=self.manifest.poses, device=device)
        self._runtime: Runtime = runtime or self.eager
        self._detector = _detector(bundle)

    def _network(self, state: Mapping[str, Tensor]) -> Network:
        manifest = self.manifest
        channels = manifest.preprocess.channels
        network = restored(manifest.architecture, len(manifest.classes), state, channels)
        network.requires_grad_(requires_grad=False)
        return network.to(self._device).to(memory_format=torch.channels_last).eval()

    @property
    def runtime(self) -> Runtime:
        """What computes the outputs."""
        return self._runtime

    def served_by(self, runtime: Runtime) -> Predictor:
        """The same version, whose outputs `runtime` computes."""
        other = copy.copy(self)
        other._runtime = runtime
        return other

    @property
    def has_graph(self) -> bool:
        """Whether something else than PyTorch computes the outputs."""
        return self._runtime is not self.eager

    @property
    def class_names(self) -> list[str]:
        return self.bundle.class_names

    @property
    def needs_views(self) -> bool:
        """Whether it sees more of a scan than its tile."""
        return self.manifest.preprocess.needs_views

    def warm(self, most: int = 1) -> None:
        """Run one blank scan, and `most` together, so that the first real ones do not pay for lazy initialisation."""
        for count in sorted({1, most}):
            self.predict(*blank_inputs(self.manifest.preprocess, count))

    def predict(self, tiles: Tiles, pixels: Pixels | None = None) -> Predictions:
        """Tiles uint8 (N, 256, 256), and for what `needs_views` the `Pixels` of the same scans -> `Predictions`."""
        # Once, for the networks and for the detector, which look at the same small picture.
        small = self._seen(tiles, pixels)
        outputs = self._runtime.run(small)
        temperature, prior = self.manifest.calibration.temperature, self.manifest.prior
        shares = served_probabilities(outputs.logits, temperature, prior)
        return Predictions(
            shares,
            outputs.logits,
            temperature is not None,
            outputs.features,
            resemblance=self._detector.judge(outputs.features, small) if self._detector else None,
            spread=self.spread(outputs.features, shares.argmax(axis=1)),
            unreadable=tuple(rules.quality(tiles)),
        )

    def spread(self, features: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> Floats | None:
        """How far the networks disagree about the class (N,) of scans of these features. From the heads alone: they read the
        features of the scan as it is, whatever ran the networks."""
        if len(self.networks) == 1:
            return None
        parts = np.split(features, len(self.networks), axis=1)
        temperature, prior = self.manifest.calibration.temperature, self.manifest.prior
        each = [
            served_probabilities(_head(network, part), temperature, prior)
            for network, part in zip(self.networks, parts, strict=True)
        ]
        return np.asarray(np.std([shares[np.arange(len(classes)), classes] for shares in each], axis=0))

    def outputs(self, tiles: Tiles, pixels: Pixels | None = None) -> Outputs:
        """What the networks alone say, by whatever runs them. Input as of `predict`."""
        return self._runtime.run(self._seen(tiles, pixels))

    def features(self, tiles: Tiles, pixels: Pixels | None = None) -> npt.NDArray[np.float32]:
        """The pooled features (N, D) that the heads read, those of several members concatenated. Input as of `predict`."""
        return self.outputs(tiles, pixels).features

    def _seen(self, tiles: Tiles, pixels: Pixels | None) -> Pixels:
        """`ValueError` where views are needed and `pixels` is missing, or of other scans or another shape."""
        preprocess = self.manifest.preprocess
        if not preprocess.needs_views:
            return preprocess.sized(tiles)
        if pixels is None or len(pixels) != len(tiles):
            raise ValueError("this model sees more of a scan than its tile: give the pixels of the same scans")
        return preprocess.sized(pixels)

    def _input(self, seen: Pixels) -> Tensor:
        return self.manifest.preprocess.to_tensor(seen).to(self._device, memory_format=torch.channels_last)

    def prediction_set(self, predictions: Predictions) -> npt.NDArray[np.bool_] | None:
        """Which classes (N, K) cannot be ruled out at the manifest's target; None without thresholds."""
        sets = self.manifest.conformal
        return None if sets is None or not predictions.calibrated else sets.prediction_set(predictions.probabilities)

    def decide(self, predictions: Predictions, index: int = 0, against: Sequence[ReferReason] = ()) -> Decision:
        """The decision for one scan of `predictions`. `against`: what is known against it besides its pixels, as from a scan's
        metadata; it comes first, then what the pixels say; how sure the model is counts where neither says anything."""
        found = [*against, *self.found(predictions, index)]
        return decide(self.manifest, float(predictions.confidences[index]), found)

    def found(self, predictions: Predictions, index: int) -> tuple[ReferReason, ...]:
        """What the pixels of one scan say against answering it, however sure the model is."""
        if predictions.unreadable and predictions.unreadable[index]:
            return predictions.unreadable[index]
        return () if predictions.resemblance is None else reasons(predictions.resemblance, index)

    def heatmap(self, seen: Pixels, class_index: int) -> npt.NDArray[np.float32]:
        """What spoke for one class in what the networks saw of one scan, its tile (256, 256) or its `Pixels`: float32 (S, S) in
        0..1, all zero when nothing did (`heat.of_network`). `heat.on_scan` lays it on the scan. Of several members the mean is
        shown. The same on any number of threads.
        """
        if not 0 <= class_index < len(self.manifest.classes):
            raise ValueError(f"class_index must be 0..{len(self.manifest.classes) - 1}, got {class_index}")
        size = self.manifest.preprocess.size
        x = self._input(seen[None])
        side = max(size, TILE_SIDE)
        return heat.mean([heat.of_network(network, x, class_index, size, side) for network in self.networks])


def _detector(bundle: Bundle) -> Detector | None:
    facts = bundle.manifest.knowing
    if facts is None or not facts.available:
        return None
    return Detector.of(facts, bundle.state_dict, bundle.manifest.preprocess.size)


def _head(network: Network, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        logits = network.fc(torch.from_numpy(features).to(network.fc.weight.device))
    return np.asarray(logits.float().cpu().numpy())
