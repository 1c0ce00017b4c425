"""ResNets for small pictures, for small things in larger ones, and for sites without a GPU: 0.7 million parameters, 20 million
multiplications at 28 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, conv1x1

STEM = 24
WIDTHS = (48, 96, 192)


class CompactResNet(nn.Module):
    """(N, channels, size, size) -> logits (N, n_classes): a 3 x 3 stem, then one basic block for each of three widths.

    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the parts named as torchvision names them;
    the stem of torchvision's networks divides the side by four, which leaves nothing of a picture of 28 pixels.
    """

    def __init__(self, n_classes: int, channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(STEM, WIDTHS[0], stride=1)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], stride=2)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], stride=2)
        self.avgpool: nn.Module = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(WIDTHS[-1], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


class _MeanAndMost(nn.Module):
    """(N, C, h, w) -> (N, 2 C, 1, 1): the mean of each map, then its highest value."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)], dim=1)


class DetailResNet(CompactResNet):
    """For what is a small part of a larger picture, as one cell among many.

    A 5 x 5 stem halves the side, so that a picture costs what one of half its side costs the compact network. The head is told,
    beside the mean of each map, its highest value: a finding in a tenth of the picture is a tenth of a mean (Oquab et al., "Is
    object localization for free?", CVPR 2015)."""

    def __init__(self, n_classes: int, channels: int = 1) -> None:
        super().__init__(n_classes, channels)
        self.conv1 = nn.Conv2d(channels, STEM, 5, stride=2, padding=2, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.avgpool = _MeanAndMost()
        self.fc = nn.Linear(2 * WIDTHS[-1], n_classes)


def _stage(before: int, width: int, *, stride: int) -> nn.Sequential:
    shortcut = nn.Sequential(conv1x1(before, width, stride), nn.BatchNorm2d(width))
    return nn.Sequential(BasicBlock(before, width, stride, shortcut))
