"""The ways in which a scan may be held without showing anything else; an answer is the mean over those that a version takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Pages and commands read the options of a training, which name poses, without PyTorch.
    from torch import Tensor

QUARTERS = 4
ROWS, COLUMNS = -2, -1


@dataclass(frozen=True)
class Poses:
    """`mirrored`: also mirrored, left to right. `turned`: also turned by each right angle. With both there are eight.

    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012, average over mirror
    images; of squares a right angle moves pixels and makes none, so that nothing is interpolated.
    """

    mirrored: bool = False
    turned: bool = False

    @property
    def count(self) -> int:
        """How many poses an answer looks at, the scan as it is included."""
        return (2 if self.mirrored else 1) * (QUARTERS if self.turned else 1)

    def others(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, S, S) in each pose but the one that it has."""
        for quarter in range(QUARTERS if self.turned else 1):
            if quarter:
                yield turned(x, quarter)
            if self.mirrored:
                yield turned(x.flip(COLUMNS), quarter)

    def mean(self, said: Tensor, of: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The mean (N, K) of what is `said` of `x` as it is, and `of` its other poses."""
        if self.count == 1:
            return said
        for other in self.others(x):
            said = said + of(other)
        return said / self.count


AS_IT_IS = Poses()


def turned(x: Tensor, quarters: int) -> Tensor:
    """(N, C, S, S) turned to the left by so many right angles, 0 to 3."""
    if quarters == 0:
        return x
    if quarters == 2:
        return x.flip((ROWS, COLUMNS))
    return x.transpose(ROWS, COLUMNS).flip(ROWS if quarters == 1 else COLUMNS)
