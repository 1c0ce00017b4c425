"""How `_training_search` divides pictures into parts that are held out in turn. Labels balance the classes, and decide no more."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks import _training_data as sets
from benchmarks import _training_more as more

COMPONENTS = 16

Folds = npt.NDArray[np.int64]


def cluster_folds(part: sets.Part, n_folds: int, *, seed: int = 0) -> Folds:
    """The cluster 0..n_folds-1 of each picture, of similar exposure, position and size; labels play no part."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    thumbnails = part.tiles[:, 4::8, 4::8].reshape(len(part), -1).astype(np.float64) / 255
    reduced = PCA(COMPONENTS, random_state=seed).fit_transform(thumbnails)
    return np.asarray(KMeans(n_folds, n_init=4, random_state=seed).fit_predict(reduced), dtype=np.int64)


def group_folds(part: sets.Part, n_folds: int, *, seed: int = 0) -> Folds:
    """A fold 0..n_folds-1 of each picture, one for all pictures of a group (a patient), with alike shares of the classes."""
    from sklearn.model_selection import StratifiedGroupKFold

    split = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = np.zeros(len(part), dtype=np.int64)
    for number, (_, held_out) in enumerate(split.split(np.zeros(len(part)), part.labels, part.groups)):
        folds[held_out] = number
    return folds


def with_copies(part: sets.Part) -> sets.Part:
    """The same with near-copies in one group."""
    names = {name: name for name in part.groups}
    for one, other in more.near_copies(part, part):
        kept, gone = names[one], names[other]
        names = {name: kept if group == gone else group for name, group in names.items()}
    return replace(part, groups=tuple(names[name] for name in part.groups))
