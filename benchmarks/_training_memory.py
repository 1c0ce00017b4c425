"""One training of N synthetic scans in a process of its own; prints the peak of its resident memory in MiB.

Scans are drawn as tiles in small chunks and shrunk as they come, as a run reads them.
"""

import json
import sys

import numpy as np

from benchmarks._training_machine import peak_rss_mb
from models_registry.inference.names import TILE_SIDE
from models_registry.inference.preprocess import shrink
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.fit import fit

SIDE, CHUNK, VAL = 28, 64, 32


def main() -> None:
    count = int(sys.argv[1])
    rng = np.random.default_rng(0)
    tiles = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        tiles[start : start + size] = shrink(rng.integers(0, 256, (size, TILE_SIDE, TILE_SIDE), dtype=np.uint8), SIDE)
    labels = np.arange(count, dtype=np.int64) % 2
    data = TrainData(tiles, labels, tiles[:VAL], labels[:VAL], 2)
    fit(data, TrainConfig(architecture="resnet_compact", image_size=SIDE, batch_size=64, epochs=1), device="cpu")
    print(json.dumps(round(peak_rss_mb(), 1)))


if __name__ == "__main__":
    main()
