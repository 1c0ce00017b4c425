"""The allow-list of architectures: torchvision's ResNets and two compact ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torchvision import models

from .compact import CompactResNet, DetailResNet
from .names import ARCHITECTURES, COMPACT, DETAIL

Network: TypeAlias = models.ResNet | CompactResNet

HEAD = "fc"
FIRST_CONV = "conv1.weight"
# Channels of the pictures that published weights were trained on.
RGB = 3
# Pixels of input per cell of a stage's map, for each stage in its order.
_STRIDES: dict[str, int] = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
_COMPACT_STRIDES: dict[str, int] = {"layer1": 2, "layer2": 4, "layer3": 8}
_DETAIL_STRIDES: dict[str, int] = {"layer1": 4, "layer2": 8, "layer3": 16}
# Measured on phantoms at 64 pixels: coarser maps miss the opacity (4 cells: peak on it in 12-42 %, 8 cells: about half).
MIN_CAM_SIDE = 7

_BUILDERS: dict[str, Callable[..., models.ResNet]] = {
    "resnet18": models.resnet18,
    "resnet34": models.resnet34,
    "resnet50": models.resnet50,
    "resnet101": models.resnet101,
}


class UnknownArchitecture(ValueError):
    """The architecture is not in the allow-list."""


def build(architecture: str, n_classes: int, channels: int = 1) -> Network:
    """A freshly initialised network: (N, channels, size, size) -> logits (N, n_classes)."""
    if architecture == COMPACT:
        return CompactResNet(n_classes, channels)
    if architecture == DETAIL:
        return DetailResNet(n_classes, channels)
    if architecture not in _BUILDERS:
        raise UnknownArchitecture(f"architecture must be one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    network = _BUILDERS[architecture](weights=None, num_classes=n_classes)
    if channels != network.conv1.in_channels:
        network.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return network


def restored(architecture: str, n_classes: int, state: Mapping[str, Tensor], channels: int = 1) -> Network:
    """The network with exactly these weights; torch's `RuntimeError` when they are not its own."""
    network = build(architecture, n_classes, channels)
    network.load_state_dict(dict(state), strict=True)
    return network


def strides(network: Network) -> dict[str, int]:
    """Pixels of input per cell of each stage's map, from the first stage to the last."""
    if isinstance(network, DetailResNet):
        return _DETAIL_STRIDES
    return _COMPACT_STRIDES if isinstance(network, CompactResNet) else _STRIDES


def fitted_state(state: Mapping[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Weights made for RGB, for so many channels, without the head.

    A grey picture shown to an RGB network has three equal channels, so the sum of the first convolution over its
    input channels answers exactly as the original does; two channels that agree do so with half of the sum each.
    """
    fitted = {name: value for name, value in state.items() if not name.startswith(HEAD + ".")}
    if channels != RGB:
        total = state[FIRST_CONV].sum(dim=1, keepdim=True)
        fitted[FIRST_CONV] = (total / channels).repeat(1, channels, 1, 1)
    return fitted


def cam_layer(network: Network, size: int) -> str:
    """The deepest stage whose map is at least `MIN_CAM_SIDE` cells wide for inputs of `size` pixels."""
    known = strides(network)
    fitting = [stage for stage, stride in known.items() if size // stride >= MIN_CAM_SIDE]
    return fitting[-1] if fitting else next(iter(known))


def forward_to(network: Network, x: Tensor, stage: str) -> Tensor:
    """The activations (N, C, h, w) of `stage`."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    for name in strides(network):
        x = getattr(network, name)(x)
        if name == stage:
            break
    return x


def forward_from(network: Network, activations: Tensor, stage: str) -> Tensor:
    """The logits (N, K) that follow from the activations of `stage`."""
    x = activations
    names = list(strides(network))
    for name in names[names.index(stage) + 1 :]:
        x = getattr(network, name)(x)
    logits: Tensor = network.fc(torch.flatten(network.avgpool(x), 1))
    return logits


def features(network: Network, x: Tensor) -> Tensor:
    """The pooled features (N, D) that the head reads."""
    last = list(strides(network))[-1]
    return torch.flatten(network.avgpool(forward_to(network, x, last)), 1)
