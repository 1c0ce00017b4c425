import pytest
import torch
from torch import nn

from models_registry.inference.architectures import build
from training.engine.schedule import Average, one_cycle, open_stages, optimiser_for, set_learning_rate, stages


@pytest.mark.parametrize("total", [10, 37, 200])
def test_the_one_cycle_schedule_is_pytorchs(total):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.3, total_steps=total)
    for step in range(total):
        assert one_cycle(step, total, 0.3) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6, abs=1e-12), step
        optimiser.step()
        if step + 1 < total:
            theirs.step()


@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_schedule_of_a_few_steps_stays_within_the_peak(total):
    assert all(0 < one_cycle(step, total, 0.1) <= 0.1 for step in range(total))


def test_the_head_learns_faster_than_the_stem_of_a_network_that_knows_something():
    network = build("resnet18", 2)
    optimiser = optimiser_for(network, 0.05, discriminative=True)
    set_learning_rate(optimiser, 1.0)
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    assert (
        rates[id(network.conv1.weight)]
        < rates[id(network.layer4[0].conv1.weight)]
        < rates[id(network.fc.weight)]
        == 1.0
    )


def test_norms_and_biases_do_not_decay():
    network = build("resnet18", 2)
    optimiser = optimiser_for(network, 0.05, discriminative=False)
    decays = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert decays[id(network.bn1.weight)] == decays[id(network.fc.bias)] == 0
    assert decays[id(network.conv1.weight)] == 0.05


def test_the_average_forgets_its_random_start_within_a_few_steps():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 100.0)
    average = Average(network, 0.999)
    nn.init.constant_(network.weight, 1.0)
    for step in range(20):
        average.update(step)
    assert float(average.state["weight"]) == pytest.approx(1.0, abs=0.1)


@pytest.fixture
def bare():
    """Networks have names and no numbers."""
    with torch.device("meta"):
        yield


def test_stages_open_from_the_head_down_until_the_rate_has_reached_its_peak(bare):
    assert stages(build("resnet_compact", 2)) == [("fc",), ("layer3",), ("layer2",), ("layer1", "conv1", "bn1")]
    assert stages(build("resnet50", 2))[-1] == ("layer1", "conv1", "bn1")
    assert [open_stages(step, 40, 5) for step in range(0, 40, 4)] == [2, 3, 4] + [5] * 7
    assert open_stages(0, 1, 4) == 2
    covered = {name for part in stages(build("resnet18", 2)) for name in part}
    network = build("resnet18", 2)
    assert covered == {name.split(".")[0] for name, _ in network.named_parameters()}


def test_the_average_follows_only_the_parts_that_learn():
    network = build("resnet_compact", 2)
    average = Average(network, 0.5)
    average.follow({"fc"})
    with torch.no_grad():
        network.fc.weight.add_(1.0)
        network.conv1.weight.add_(1.0)
    before = average.state["conv1.weight"].clone()
    average.update(100)
    assert torch.equal(average.state["conv1.weight"], before)
    assert torch.allclose(average.state["fc.weight"], network.fc.weight - 0.5)
