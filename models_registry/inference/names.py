"""The names of the architectures and the sizes of pictures, apart from the networks: a page that asks for them must not load
PyTorch."""

from __future__ import annotations

COMPACT, DETAIL = "resnet_compact", "resnet_detail"
# Those that are trained from scratch alone: nobody has published weights of them.
SCRATCH_ONLY: tuple[str, ...] = (COMPACT, DETAIL)
# Those for which torchvision has ImageNet weights, from the quickest to the slowest.
PRETRAINABLE: tuple[str, ...] = ("resnet18", "resnet34", "resnet50", "resnet101")
ARCHITECTURES: tuple[str, ...] = (*PRETRAINABLE, *SCRATCH_ONLY)
# The side in pixels of the tile that a scan becomes at ingest: `images.decoding.result.TILE_SIDE`, which pure code may not import.
TILE_SIDE = 256
# The side in pixels below which nothing is left of a picture.
MIN_SIZE = 28
# The longest side in pixels of a scan's view for learning: `images.decoding.result.VIEW_SIDE`.
VIEW_SIDE = 1024
# What a network is given of a scan (`preprocess`), and how a scan that is no square becomes one.
TILE, GREY, COLOUR, WINDOWS = "tile", "grey", "colour", "windows"
SEES: tuple[str, ...] = (TILE, GREY, COLOUR, WINDOWS)
SQUASH, LETTERBOX = "squash", "letterbox"
SHAPES: tuple[str, ...] = (SQUASH, LETTERBOX)
# What becomes of its grey levels: nothing, or each is made as frequent as the others.
LEVELS_KEPT, EQUALISED = "kept", "equalised"
LEVELS: tuple[str, ...] = (LEVELS_KEPT, EQUALISED)
