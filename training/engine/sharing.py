"""Work that the processes of a group share, so that what ends it in one of them ends it in all of them, at the same point.

Each process asks for itself whether to stop, and its memory may run out when that of the others does not. A process that then
left would have the others wait for it; so it goes on to where results are put together and says there what has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from .device import out_of_memory
from .group import Group

Work = Callable[[], Tensor]
Result = TypeVar("Result")


class Stopped(Exception):
    """`should_stop` said so, here or in another process."""


class MemoryShort(MemoryError):
    """Memory has run out, here or in another process; all processes know."""


def gradients(
    group: Group,
    work: Work,
    figures: int,
    parameters: Iterable[nn.Parameter],
    statistics: Sequence[Tensor],
    share: float,
    *,
    stop: bool,
) -> Tensor:
    """Do `work`, which adds the gradients of this process's shard to `parameters` and gives its part of some `figures` of the
    batch, (figures,). Afterwards gradients and figures are those of the whole batch. `statistics`: what batch normalisation
    keeps, of which each process saw its `share` of the batch: their mean is unbiased, as that of several batches is.

    Raises Stopped, and MemoryShort, or where a process is alone what PyTorch raises then."""
    if group.alone:
        if stop:
            raise Stopped
        return work()
    done, short = _tried(work, stop=stop)
    signals = torch.tensor([float(stop), float(short)])
    told = torch.zeros(figures) if done is None else done.detach().float().cpu()
    learned = list(parameters)
    for parameter in learned:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for one in statistics:
        one.mul_(share)
    group.add_up([*(parameter.grad for parameter in learned if parameter.grad is not None), *statistics, told, signals])
    _heed(signals)
    return told


def rows(group: Group, count: int, step: int, width: int, work: Callable[[slice], Tensor | None]) -> Tensor | None:
    """(count, width), of which each process makes a span of whole steps by `work`; None where that was None, which means stopped,
    in any of them. Alone, what `work` makes of all of them, where it is made; else in the memory of this machine.

    Raises MemoryShort, or where a process is alone what PyTorch raises then."""
    if group.alone:
        return work(slice(0, count))
    span = group.span(count, step)
    made, short = _tried(lambda: work(span), stop=False)
    whole = torch.zeros((count, width))
    if made is not None:
        whole[span] = made.float().cpu()
    signals = torch.tensor([float(made is None and not short), float(short)])
    group.add_up([whole, signals])
    try:
        _heed(signals)
    except Stopped:
        return None
    return whole


def _tried(work: Callable[[], Result], *, stop: bool) -> tuple[Result | None, bool]:
    """What `work` gives, and whether memory ran out meanwhile; it is not asked when it is to stop."""
    if stop:
        return None, False
    try:
        return work(), False
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    return None, True


def _heed(signals: Tensor) -> None:
    stop, short = (signals > 0).tolist()
    if stop:
        raise Stopped
    if short:
        raise MemoryShort("memory ran out in one of the processes")
