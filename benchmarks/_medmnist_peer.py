"""The peer: the MedMNIST authors' recipe for 28-pixel pictures, rewritten from its description.

Yang et al., "MedMNIST v2", Scientific Data 2023, and the repository MedMNIST/experiments: ResNet-18 with a 3 x 3 stem and
without max pooling (the form of He et al. for CIFAR), Adam at 1e-3, batches of 128, no augmentation, no weight decay,
pictures scaled to -1..1, cross-entropy; the learning rate falls tenfold after epochs 50 and 75 of 100. Their script reads
pictures one by one; here a batch is one indexing, which is to the peer's advantage.
"""

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock, conv1x1

BATCH, RATE, EPOCHS = 128, 1e-3, 100
MILESTONES = (50, 75)

Pictures = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


class SmallResNet18(nn.Module):
    """(N, 1, 28, 28) -> logits (N, n_classes): 11.2 million parameters."""

    def __init__(self, n_classes: int = 2, channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        widths = (64, 64, 128, 256, 512)
        self.stages = nn.Sequential(*(_stage(widths[i], widths[i + 1], 1 if i == 0 else 2) for i in range(4)))
        self.fc = nn.Linear(512, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.stages(self.stem(x)).mean(dim=(2, 3)))
        return logits


def _stage(before: int, width: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or before != width:
        shortcut = nn.Sequential(conv1x1(before, width, stride), nn.BatchNorm2d(width))
    return nn.Sequential(BasicBlock(before, width, stride, shortcut), BasicBlock(width, width))


def unit(pictures: Pictures) -> Tensor:
    """uint8 (N, 28, 28) -> float32 (N, 1, 28, 28) in -1..1."""
    return torch.from_numpy(pictures.astype(np.float32)).unsqueeze(1).div_(127.5).sub_(1)


def epochs(pictures: Pictures, labels: Labels, seed: int, limit_s: float) -> Iterator[tuple[nn.Module, float]]:
    """After each epoch the network in evaluation mode and the seconds of training so far, evaluations not counted.

    Ends with the schedule, or in the step in which `limit_s` seconds of training have passed.
    """
    torch.manual_seed(seed)
    network, x, y = SmallResNet18(), unit(pictures), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, MILESTONES, 0.1)
    spent = 0.0
    for _ in range(EPOCHS):
        network.train()
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            index = order[start : start + BATCH]
            began = time.perf_counter()
            optimiser.zero_grad()
            functional.cross_entropy(network(x[index]), y[index]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            spent += time.perf_counter() - began
            if spent >= limit_s:
                yield network.eval(), spent
                return
        schedule.step()
        yield network.eval(), spent


def logits(network: nn.Module, pictures: Pictures) -> npt.NDArray[np.float64]:
    """(N, n_classes) for a network in evaluation mode."""
    with torch.inference_mode():
        parts = [network(unit(pictures[start : start + BATCH])) for start in range(0, len(pictures), BATCH)]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)
