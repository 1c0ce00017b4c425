"""Pre-trained weights: torchvision's own files, from its cache, from a folder, or downloaded when that is allowed."""

from __future__ import annotations

import hashlib
import os
import socket
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torchvision import models
from torchvision.models import WeightsEnum

from models_registry.inference.architectures import FIRST_CONV, HEAD, RGB, UnknownArchitecture, build, fitted_state
from models_registry.inference.names import PRETRAINABLE, SCRATCH_ONLY

DOWNLOAD_TIMEOUT_S = 10.0
# Grey equivalent of torchvision's ImageNet normalisation: the means over its three channels.
IMAGENET_GREY = (0.449, 0.226)
IMAGENET_COLOUR = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_ENUMS: dict[str, WeightsEnum] = {
    "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
    "resnet34": models.ResNet34_Weights.IMAGENET1K_V1,
    "resnet50": models.ResNet50_Weights.IMAGENET1K_V2,
    "resnet101": models.ResNet101_Weights.IMAGENET1K_V2,
}

_NEVER = (
    "{} has no pre-trained weights: nobody has published any. Choose pretrained=false to train it from scratch, "
    f"or one of {', '.join(PRETRAINABLE)} for transfer learning."
)


class WeightsMissing(RuntimeError):
    """Pre-trained weights are not to be had here; the message says how to get them or do without."""


class WeightsInvalid(RuntimeError):
    """A weights file is there but is not what it claims to be."""


def imagenet_levels(channels: int) -> tuple[float | tuple[float, ...], float | tuple[float, ...]]:
    """Mean and standard deviation that pre-trained weights expect of so many channels."""
    return IMAGENET_COLOUR if channels == RGB else IMAGENET_GREY


def file_name(architecture: str) -> str:
    """The name of torchvision's file, for example `resnet18-f37072fd.pth`; the part after the dash starts its sha256."""
    if architecture not in _ENUMS:
        raise UnknownArchitecture(f"architecture must be one of {', '.join(_ENUMS)}, got {architecture!r}")
    return str(_ENUMS[architecture].url).rsplit("/", 1)[1]


def _hub_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def find(architecture: str, weights_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """The file in `weights_dir` or in torch's cache, a `.safetensors` twin included; None when there is none."""
    if architecture in SCRATCH_ONLY:
        return None
    name = file_name(architecture)
    folders = [Path(weights_dir)] if weights_dir else []
    for folder in [*folders, _hub_folder()]:
        for candidate in (folder / name, (folder / name).with_suffix(".safetensors")):
            if candidate.is_file():
                return candidate
    return None


def load_pretrained(
    architecture: str,
    *,
    channels: int = 1,
    weights_dir: str | os.PathLike[str] | None = None,
    allow_download: bool = True,
) -> dict[str, Tensor]:
    """The network's weights for so many channels, without the head; `WeightsMissing` or `WeightsInvalid` otherwise."""
    if architecture in SCRATCH_ONLY:
        raise WeightsMissing(_NEVER.format(architecture))
    path = find(architecture, weights_dir)
    if path is not None:
        return _checked(architecture, _read(path), path.name, channels)
    if not allow_download:
        raise _missing(architecture, "there is no file")
    return _checked(architecture, _download(architecture), file_name(architecture), channels)


def _download(architecture: str) -> Mapping[str, Any]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        state: Mapping[str, Any] = _ENUMS[architecture].get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
        return state
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise _missing(architecture, f"the download failed ({type(error).__name__})") from error
    finally:
        socket.setdefaulttimeout(before)


def _missing(architecture: str, why: str) -> WeightsMissing:
    return WeightsMissing(
        f"Pre-trained weights for {architecture} are missing: {why}. Run manage.py fetch_weights {architecture}, or put "
        f"{file_name(architecture)} (from {_ENUMS[architecture].url}) into the folder named by WEIGHTS_DIR, "
        "or choose pretrained=false."
    )


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsInvalid(
                f"{path.name} cannot be read: {error}. Make it again, or fetch the original."
            ) from error
    expected = path.stem.rsplit("-", 1)[1]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(expected):
        raise WeightsInvalid(
            f"{path.name} is damaged: its sha256 starts with {digest[:8]}, expected {expected}. Fetch it again."
        )
    try:
        state: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has no common error type
        raise WeightsInvalid(f"{path.name} cannot be read as plain weights: {error}") from error
    return state


def _checked(architecture: str, state: Mapping[str, Any], name: str, channels: int) -> dict[str, Tensor]:
    """`state` cut to so many channels without head, after every shape has been compared with the network's."""
    first = state.get(FIRST_CONV) if isinstance(state, Mapping) else None
    if not isinstance(first, Tensor) or first.ndim != 4:
        raise WeightsInvalid(f"{name} does not hold the weights of a ResNet")
    fitted = fitted_state(state, channels)
    with torch.device("meta"):
        expected = {
            k: v for k, v in build(architecture, 2, channels).state_dict().items() if not k.startswith(HEAD + ".")
        }
    for key, value in expected.items():
        if key.endswith("num_batches_tracked") and key not in fitted:
            fitted[key] = torch.zeros((), dtype=torch.long)
        if key not in fitted or fitted[key].shape != value.shape:
            raise WeightsInvalid(f"{name} does not fit {architecture}: {key} is missing or has another shape")
        if fitted[key].is_floating_point() and not bool(fitted[key].isfinite().all()):
            raise WeightsInvalid(f"{name} is damaged: {key} holds values that are not finite. Fetch it again.")
    return {key: fitted[key] for key in expected}
