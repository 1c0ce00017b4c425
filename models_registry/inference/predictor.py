"""From tiles to calibrated probabilities, a decision and a heat map."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models_registry.statistics.calibration import Floats
from models_registry.statistics.prior import served_probabilities

from .architectures import Network, cam_layer, forward_from, forward_to, restored
from .bundle import Bundle
from .knowing import rules
from .knowing.detector import Detector, Resemblance
from .knowing.reasons import reasons
from .manifest import Manifest
from .names import TILE_SIDE
from .preprocess import Pixels, Preprocess, Tiles, blank, shrink
from .refer_reasons import ReferReason
from .runtimes import BATCH, Eager, Outputs, Runtime

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
    flip_tta: bool = False,
    device: str = "cpu",
    batch: int = BATCH,
) -> npt.NDArray[np.float32]:
    """Logits (N, K) of a network in evaluation mode; with `flip_tta` the mean over the scan and its mirror image.
    `batch`: scans at a time."""
    network.eval()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(tiles), batch):
            x = preprocess.to_tensor(tiles[start : start + batch]).to(device, memory_format=torch.channels_last)
            logits = network(x)
            if flip_tta:
                logits = (logits + network(x.flip(-1))) / 2
            rows.append(logits.float().cpu())
    if not rows:
        return np.zeros((0, network.fc.out_features), dtype=np.float32)
    return np.asarray(torch.cat(rows).numpy(), dtype=np.float32)


def mean_logits(
    networks: Sequence[Network], preprocess: Preprocess, tiles: Tiles, *, flip_tta: bool = False, device: str = "cpu"
) -> npt.NDArray[np.float32]:
    """The mean of the networks' logits (N, K); a single network's are given as they are.

    Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017,
    average probabilities; the mean of logits is their geometric mean, and one temperature calibrates it.
    """
    logits = [predict_logits(network, preprocess, tiles, flip_tta=flip_tta, device=device) for network in networks]
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
        self.eager = Eager(self.networks, self.manifest.preprocess, flip_tta=self.manifest.flip_tta, device=device)
        self._runtime: Runtime = runtime or self.eager
        self._detector = _detector(bundle)

    def _network(self, state: Mapping[str, Tensor]) -> Network:
        manifest = self.manifest
        channels = manifest.preprocess.channels
        network = restored(manifest.architecture, len(manifest.classes), state, channels)
        network.requires_grad_(requires_grad=False)
        return network.to(self._device).to(memory_format=torch.channels_last).eval()

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
        preprocess = self.manifest.preprocess
        for count in sorted({1, most}):
            tiles = np.zeros((count, TILE_SIDE, TILE_SIDE), dtype=np.uint8)
            self.predict(tiles, blank(preprocess, count) if preprocess.needs_views else None)

    def predict(self, tiles: Tiles, pixels: Pixels | None = None) -> Predictions:
        """Tiles uint8 (N, 256, 256), and for what `needs_views` the `Pixels` of the same scans -> `Predictions`."""
        # Once, for the networks and for the detector, which look at the same small picture.
        small = shrink(tiles, self.manifest.preprocess.size) if pixels is None else pixels
        outputs = self._runtime.run(small)
        temperature, prior = self.manifest.calibration.temperature, self.manifest.prior
        shares = served_probabilities(outputs.logits, temperature, prior)
        return Predictions(
            shares,
            outputs.logits,
            temperature is not None,
            outputs.features,
            resemblance=self._detector.judge(outputs.features, small) if self._detector else None,
            spread=self._spread(outputs.features, shares.argmax(axis=1)),
            unreadable=tuple(rules.quality(tiles)),
        )

    def _spread(self, features: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> Floats | None:
        """From the heads alone: they read the features of the scan as it is, whatever ran the networks."""
        if len(self.networks) == 1:
            return None
        parts = np.split(features, len(self.networks), axis=1)
        temperature, prior = self.manifest.calibration.temperature, self.manifest.prior
        each = [
            served_probabilities(_head(network, part), temperature, prior)
            for network, part in zip(self.networks, parts, strict=True)
        ]
        return np.asarray(np.std([shares[np.arange(len(classes)), classes] for shares in each], axis=0))

    def outputs(self, tiles: Tiles) -> Outputs:
        """What the networks alone say, by whatever runs them."""
        return self._runtime.run(tiles)

    def features(self, tiles: Tiles) -> npt.NDArray[np.float32]:
        """The pooled features (N, D) that the heads read, those of several members concatenated."""
        return self._runtime.run(tiles).features

    def _input(self, tiles: Tiles) -> Tensor:
        return self.manifest.preprocess.to_tensor(tiles).to(self._device, memory_format=torch.channels_last)

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

    def heatmap(self, tile: Tiles, class_index: int) -> npt.NDArray[np.float32]:
        """Grad-CAM of one tile (256, 256) for one class: float32 (256, 256) in 0..1, all zero when nothing speaks for it.

        Selvaraju et al., "Grad-CAM", ICCV 2017; the score is the class's logit less the mean of the others, because
        softmax only sees differences. Of several members the mean is shown: each map counts as much as the others. The
        same on any number of threads.
        """
        if not 0 <= class_index < len(self.manifest.classes):
            raise ValueError(f"class_index must be 0..{len(self.manifest.classes) - 1}, got {class_index}")
        x = self._input(tile[None])
        maps = [self._heatmap(network, x, class_index) for network in self.networks]
        return maps[0] if len(maps) == 1 else _scaled(np.mean(maps, axis=0))

    def _heatmap(self, network: Network, x: Tensor, class_index: int) -> npt.NDArray[np.float32]:
        # In double precision: convolutions split their sums by the number of threads, and in single precision that shows in
        # the picture. It takes about four times as long.
        exact = copy.deepcopy(network).double()
        stage = cam_layer(network, self.manifest.preprocess.size)
        with torch.no_grad():
            activations = forward_to(exact, x.double(), stage)
        with torch.enable_grad():
            activations = activations.detach().requires_grad_()
            logits = forward_from(exact, activations, stage)[0]
            others = (logits.sum() - logits[class_index]) / (len(logits) - 1)
            (gradient,) = torch.autograd.grad(logits[class_index] - others, activations)
        return _cam(activations.detach(), gradient)


def _detector(bundle: Bundle) -> Detector | None:
    facts = bundle.manifest.knowing
    if facts is None or not facts.available:
        return None
    return Detector.of(facts, bundle.state_dict, bundle.manifest.preprocess.size)


def _head(network: Network, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        logits = network.fc(torch.from_numpy(features).to(network.fc.weight.device))
    return np.asarray(logits.float().cpu().numpy())


def _cam(activations: Tensor, gradient: Tensor) -> npt.NDArray[np.float32]:
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = torch.relu((weights * activations).sum(dim=1, keepdim=True))
    cam = functional.interpolate(cam, (TILE_SIDE, TILE_SIDE), mode="bilinear", align_corners=False)[0, 0]
    top = float(cam.max())
    scaled = cam / top if top > 0 else torch.zeros_like(cam)
    return np.asarray(scaled.clamp(0, 1).cpu().numpy(), dtype=np.float32)


def _scaled(heat: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    top = float(heat.max())
    return np.asarray(heat / top if top > 0 else heat, dtype=np.float32)
