import pytest
import torch
from django.core.management import CommandError, call_command

from models_registry.inference.architectures import build
from training.engine import weights


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def answering(monkeypatch: pytest.MonkeyPatch, answer) -> None:
    """torchvision's download gives this state, or fails with this error."""

    def get_state_dict(*_, **__):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(type(weights._ENUMS["resnet18"]), "get_state_dict", get_state_dict)


def test_weights_that_can_be_fetched_are_fetched_and_checked(monkeypatch, capsys):
    answering(monkeypatch, dict(build("resnet18", 1000, channels=3).state_dict()))
    call_command("fetch_weights", "resnet18")
    assert "resnet18: ok" in capsys.readouterr().out


def test_without_internet_the_remedy_is_named(monkeypatch):
    answering(monkeypatch, OSError("no route"))
    with pytest.raises(CommandError, match=r"resnet18-f37072fd\.pth.*WEIGHTS_DIR.*pretrained=false"):
        call_command("fetch_weights", "resnet18")


def test_a_file_that_holds_no_resnet_is_refused(monkeypatch):
    answering(monkeypatch, {"conv1.weight": torch.zeros(1)})
    with pytest.raises(CommandError, match="does not hold the weights of a ResNet"):
        call_command("fetch_weights", "resnet18")


def test_a_file_that_is_there_but_is_not_what_its_name_says_is_refused(monkeypatch, tmp_path, settings):
    settings.WEIGHTS_DIR = str(tmp_path)
    torch.save(dict(build("resnet18", 1000, channels=3).state_dict()), tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(CommandError, match=r"is damaged: its sha256 starts with .* expected f37072fd"):
        call_command("fetch_weights", "resnet18")


def test_an_unknown_architecture_is_a_usage_error():
    with pytest.raises(CommandError, match="resnet18") as refused:
        call_command("fetch_weights", "vgg")
    assert refused.value.returncode == 2
