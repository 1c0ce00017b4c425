import hashlib
import urllib.error
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models_registry.inference.architectures import Network, build, fitted_state
from models_registry.inference.names import COLOUR, SCRATCH_ONLY
from training.engine import weights
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.fit import fit
from training.engine.setup import initial_network


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@cache
def colour_network() -> Network:
    torch.manual_seed(0)
    return build("resnet18", 1000, channels=3)


def colour_state() -> dict[str, torch.Tensor]:
    """What torchvision's file holds: three channels, a thousand classes."""
    return {name: value.clone() for name, value in colour_network().state_dict().items()}


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, content) -> Path:
    """``content`` saved under a name that torchvision could have given it."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "draft"
    torch.save(content, draft)
    name = f"resnet18-{hashlib.sha256(draft.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setattr(weights, "file_name", lambda architecture: name)
    return draft.rename(folder / name)


def test_torchvisions_file_names_carry_the_digest():
    assert weights.file_name("resnet18") == "resnet18-f37072fd.pth"
    assert {a: weights.file_name(a).split("-")[0] for a in ("resnet34", "resnet50", "resnet101")} == {
        "resnet34": "resnet34",
        "resnet50": "resnet50",
        "resnet101": "resnet101",
    }


def test_a_file_in_the_weights_folder_becomes_a_grey_network(tmp_path, monkeypatch):
    state = colour_state()
    put(tmp_path / "weights", monkeypatch, state)
    loaded = weights.load_pretrained("resnet18", weights_dir=tmp_path / "weights", allow_download=False)
    assert torch.equal(loaded["conv1.weight"], state["conv1.weight"].sum(dim=1, keepdim=True))
    assert not any(name.startswith("fc.") for name in loaded)
    network = initial_network("resnet18", 3, 0, pretrained=True, weights_dir=tmp_path / "weights", allow_download=False)
    assert torch.equal(network.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_a_file_in_the_cache_is_found_without_a_folder(tmp_path, monkeypatch):
    put(tmp_path / "hub" / "checkpoints", monkeypatch, colour_state())
    assert weights.find("resnet18") is not None
    assert "layer1.0.conv1.weight" in weights.load_pretrained("resnet18", allow_download=False)


def test_a_safetensors_twin_is_taken_too(tmp_path):
    save_file(colour_state(), tmp_path / "resnet18-f37072fd.safetensors")
    loaded = weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)
    assert loaded["conv1.weight"].shape == (64, 1, 7, 7)


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0nonsense", b"\xff" * 40])
def test_a_twin_that_cannot_be_read_is_refused_with_what_to_do(tmp_path, content):
    (tmp_path / "resnet18-f37072fd.safetensors").write_bytes(content)
    with pytest.raises(
        weights.WeightsInvalid, match=r"resnet18-f37072fd\.safetensors cannot be read: .*fetch the original"
    ):
        weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)


def test_weights_that_are_not_finite_are_refused_before_a_training_blames_the_scans(tmp_path):
    state = colour_state()
    state["layer3.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, tmp_path / "resnet18-f37072fd.safetensors")
    with pytest.raises(weights.WeightsInvalid, match=r"layer3\.0\.conv1\.weight holds values that are not finite"):
        weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)


def test_missing_weights_are_an_error_that_says_which_file_goes_where(tmp_path):
    assert weights.find("resnet18", tmp_path) is None
    with pytest.raises(weights.WeightsMissing, match=r"resnet18-f37072fd\.pth.*WEIGHTS_DIR.*pretrained=false"):
        weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)


def test_a_download_that_fails_is_the_same_error_and_restores_the_time_out(monkeypatch):
    import socket

    seen: list[float | None] = []

    def refuse(*_, **__) -> None:
        seen.append(socket.getdefaulttimeout())
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    before = socket.getdefaulttimeout()
    with pytest.raises(weights.WeightsMissing, match="the download failed"):
        weights.load_pretrained("resnet18")
    assert seen == [weights.DOWNLOAD_TIMEOUT_S]
    assert socket.getdefaulttimeout() == before


def test_a_damaged_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = put(tmp_path, monkeypatch, colour_state())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(weights.WeightsInvalid, match="damaged"):
        weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, monkeypatch, {"conv1.weight": Trap()})
    with pytest.raises(weights.WeightsInvalid, match="cannot be read as plain weights"):
        weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    state = colour_state()
    state["layer3.0.conv1.weight"] = torch.zeros(2)
    put(tmp_path, monkeypatch, state)
    with pytest.raises(weights.WeightsInvalid, match=r"layer3\.0\.conv1\.weight"):
        weights.load_pretrained("resnet18", weights_dir=tmp_path, allow_download=False)


def test_a_fitted_state_has_no_head():
    assert "fc.weight" not in fitted_state(colour_state(), 1)


@pytest.mark.parametrize("architecture", SCRATCH_ONLY)
def test_the_compact_networks_never_have_weights(tmp_path, architecture):
    assert weights.find(architecture, tmp_path) is None
    with pytest.raises(weights.WeightsMissing, match="nobody has published any"):
        weights.load_pretrained(architecture)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_first_convolution_takes_as_many_channels_as_are_seen_and_their_sum_stays(tmp_path, monkeypatch, channels):
    state = colour_state()
    put(tmp_path / "weights", monkeypatch, state)
    loaded = weights.load_pretrained(
        "resnet18", channels=channels, weights_dir=tmp_path / "weights", allow_download=False
    )
    assert loaded["conv1.weight"].shape == (64, channels, 7, 7)
    assert torch.allclose(loaded["conv1.weight"].sum(dim=1), state["conv1.weight"].sum(dim=1), atol=1e-5)
    if channels == 3:
        assert torch.equal(loaded["conv1.weight"], state["conv1.weight"])


def scans_in_colour(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one brightness; the class is whether red or blue prevails."""
    rng, labels = np.random.default_rng(n), np.arange(n, dtype=np.int64) % 2
    pixels = rng.integers(90, 120, (n, 64, 64, 3)).astype(np.uint8)
    for scan, label in zip(pixels, labels, strict=True):
        scan[..., 2 * int(label)] += 80
    return pixels, labels


def test_transfer_in_colour_keeps_the_file_in_the_frozen_phase_and_learns_from_there(tmp_path, monkeypatch):
    state = colour_state()
    put(tmp_path / "weights", monkeypatch, state)
    data = TrainData(*scans_in_colour(16), *scans_in_colour(8), 2)
    given = {"architecture": "resnet18", "pretrained": True, "sees": COLOUR, "image_size": 64, "batch_size": 8}
    found = {
        epochs: fit(
            data,
            TrainConfig(**given, epochs=epochs, frozen_epochs=1, learning_rate=1e-3),
            weights_dir=tmp_path / "weights",
            allow_download=False,
        )
        for epochs in (1, 3)
    }
    levels = (found[1].preprocess.mean, found[1].preprocess.std, found[1].preprocess.channels)
    assert levels == (*weights.IMAGENET_COLOUR, 3)
    assert [report.phase for report in found[3].history] == ["frozen", "full", "full"]
    backbone = [name for name in state if not name.startswith("fc.") and "num_batches" not in name]
    assert all(torch.equal(found[1].state_dict[name], state[name]) for name in backbone)
    last = found[3].history[-1]
    assert last.train_loss < found[3].history[0].train_loss
    assert found[3].best_epoch == 1 or not torch.equal(
        found[3].state_dict["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"]
    )
