"""What test_group.py has two processes do together, started by PyTorch's own launcher, with a folder as its argument.
Each writes what it got; the test compares."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from tests.training.engine.builders import know_weights, make_data, tiny_config
from training.engine import loop
from training.engine.ensemble import train
from training.engine.fit import fit
from training.engine.group import Group, join
from training.engine.series import Watch

FOLDED = {"folds": 2, "members": 1, "epochs": 1, "batch_size": 8}


def summed(result):
    """Every bit of the weights, and the measurements, as one text."""
    bits = b"".join(value.numpy().tobytes() for _, value in sorted(result.state_dict.items()))
    told = [(report.train_loss, report.val_loss, report.note) for report in result.history]
    return [hash_of(bits + result.val_logits.tobytes()), told, result.stopped]


def hash_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def scenarios(group: Group):
    data, told = make_data(22, 10), {}
    together = {"device": "cpu", "processes": group}
    whole = fit(data, tiny_config(epochs=3), **together)
    told["whole"] = summed(whole)
    kept = []
    save = kept.append if group.leads else None
    first = fit(
        data,
        tiny_config(epochs=3),
        save_checkpoint=save,
        checkpoint_interval_s=0,
        # One process alone is told to stop, after the second epoch.
        should_stop=lambda: group.rank == 1 and len(reports) == 2,
        on_epoch_end=(reports := []).append,
        **together,
    )
    told["stopped"] = [first.stopped, len(first.history)]
    letters = group.told(lambda: kept[-1].hex())
    told["resumed"] = summed(fit(data, tiny_config(epochs=3), resume=bytes.fromhex(letters), **together))
    told["self_supervised"] = summed(fit(data, tiny_config(epochs=1, self_supervised=1), **together))
    with_weights(told, group, data, together)
    told["short"] = summed(short_of_memory(group, data, together))
    quiet = Watch(lambda *_: None, lambda _: None, lambda: False)
    groups = [f"p{number}" for number in range(32)]
    folded = train(data, tiny_config(**FOLDED), quiet, groups=groups, device="cpu", processes=group)
    told["folded"] = hash_of(np.ascontiguousarray(folded.out_of_fold).tobytes())
    return told


def with_weights(told, group, data, together):
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        know_weights(patch)
        config = tiny_config(epochs=3, pretrained=True, frozen_epochs=1)
        told["frozen"] = summed(fit(data, config, **together))


def short_of_memory(group, data, together):
    """Memory runs out once, in the second process alone."""
    usual, times = loop._loss, []

    def short(state, x, target):
        times.append(1)
        if group.rank == 1 and len(times) == 2:
            raise MemoryError
        return usual(state, x, target)

    loop._loss = short
    try:
        return fit(data, tiny_config(), **together)
    finally:
        loop._loss = usual


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    group = join("cpu")
    (folder / f"{group.rank}.json").write_text(json.dumps(scenarios(group)))
    group.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
