"""The network a run starts from."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor

from models_registry.inference.architectures import Network, build

from .config import ConfigError
from .weights import load_pretrained


def initial_network(
    architecture: str,
    n_classes: int,
    seed: int,
    *,
    channels: int = 1,
    initial_state: Mapping[str, Tensor] | None = None,
    pretrained: bool = False,
    weights_dir: str | os.PathLike[str] | None = None,
    allow_download: bool = True,
) -> Network:
    """A network for so many channels, initialised from `seed`, then from a version's weights or from pre-trained ones.

    The global random state is left as it was. `ConfigError` when `initial_state` belongs to another network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(architecture, n_classes, channels)
    if initial_state is not None:
        _load_version(network, architecture, initial_state)
    elif pretrained:
        state = load_pretrained(architecture, channels=channels, weights_dir=weights_dir, allow_download=allow_download)
        network.load_state_dict(state, strict=False)
    return network


def _load_version(network: Network, architecture: str, state: Mapping[str, Tensor]) -> None:
    expected = network.state_dict()
    if expected.keys() != state.keys() or any(expected[k].shape != state[k].shape for k in expected):
        raise ConfigError(
            "model",
            f"the version to continue from is no {architecture} with these classes; start without it or choose its architecture",
        )
    network.load_state_dict(dict(state), strict=True)
