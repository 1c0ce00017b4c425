"""Where in a picture a network saw what spoke for a class, and how that lies on the scan at its own shape."""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from .architectures import Network, cam_layer, forward_from, forward_to
from .names import LETTERBOX
from .preprocess import Preprocess
from .seen import content_box

Heat = npt.NDArray[np.float32]
# The longer side in pixels of a map that is laid over a scan.
SHOWN_SIDE: Final = 512


def of_network(network: Network, x: Tensor, class_index: int, stage_size: int, side: int) -> Heat:
    """Grad-CAM of one input (1, C, S, S) for one class: (side, side) in 0..1, all zero when nothing speaks for it.

    Selvaraju et al., "Grad-CAM", ICCV 2017; the score is the class's logit less the mean of the others, because softmax only
    sees differences.
    """
    # In double precision: convolutions split their sums by the number of threads, and in single precision that shows in
    # the picture. It takes about four times as long.
    exact = copy.deepcopy(network).double()
    stage = cam_layer(network, stage_size)
    with torch.no_grad():
        activations = forward_to(exact, x.double(), stage)
    with torch.enable_grad():
        activations = activations.detach().requires_grad_()
        logits = forward_from(exact, activations, stage)[0]
        others = (logits.sum() - logits[class_index]) / (len(logits) - 1)
        (gradient,) = torch.autograd.grad(logits[class_index] - others, activations)
    return _cam(activations.detach(), gradient, side)


def _cam(activations: Tensor, gradient: Tensor, side: int) -> Heat:
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = torch.relu((weights * activations).sum(dim=1, keepdim=True))
    cam = functional.interpolate(cam, (side, side), mode="bilinear", align_corners=False)[0, 0]
    top = float(cam.max())
    scaled = cam / top if top > 0 else torch.zeros_like(cam)
    return np.asarray(scaled.clamp(0, 1).cpu().numpy(), dtype=np.float32)


def mean(maps: list[Heat]) -> Heat:
    """Of several networks: each map counts as much as the others."""
    if len(maps) == 1:
        return maps[0]
    heat = np.mean(maps, axis=0)
    top = float(heat.max())
    return np.asarray(heat / top if top > 0 else heat, dtype=np.float32)


def on_scan(heat: Heat, preprocess: Preprocess, width: int, height: int) -> Heat:
    """The map of a square, as it lies on a scan of this shape: its longer side has SHOWN_SIDE pixels. A margin that the square had
    is cut away; a scan that was squashed is stretched back. What a network found in a margin is nowhere on the scan: then no place
    of it is as hot as 1."""
    side = heat.shape[0]
    box = (0.0, 0.0, float(side), float(side))
    if preprocess.look.shape == LETTERBOX:
        scale = side / preprocess.size
        left, top, right, bottom = (edge * scale for edge in content_box(width, height, preprocess.size))
        box = (left, top, right, bottom)
    factor = SHOWN_SIDE / max(width, height)
    shown = max(1, round(width * factor)), max(1, round(height * factor))
    picture = Image.fromarray(heat).resize(shown, Image.Resampling.BILINEAR, box=box)
    return np.clip(np.asarray(picture, dtype=np.float32), 0, 1)
