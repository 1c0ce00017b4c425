"""Files of several frames."""

import io
from collections.abc import Sequence

import numpy as np

from images.models import Image
from images.services import ScanFacts
from labeling.imports.services import upload_scan
from tests.images.decoding.dicoms import dicom


def cine(
    frames: int = 6, *, seed: int = 0, side: int = 64, blank: Sequence[int] = (), bright: int = 220, **tags
) -> bytes:
    """A cine: a bright disc on a dark, slightly noisy ground, which moves from left to right from frame to frame.
    `blank`: frames, from 1, that show nothing."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    values = rng.integers(20, 60, (frames, side, side)).astype(np.uint8)
    for number in range(frames):
        centre = (number + 1) * side / (frames + 1)
        values[number][(rows - side / 2) ** 2 + (columns - centre) ** 2 < (side / 6) ** 2] = bright
    for number in blank:
        values[number - 1] = 30
    return dicom(values, Modality="US", SOPInstanceUID=f"1.2.826.0.1.3680043.8.498.{seed + 1}{frames}", **tags)


def store(project, actor, data: bytes, **facts) -> Image:
    """The scan of a file, as it is stored."""
    image, _ = upload_scan(
        actor=actor, project=project, source=io.BytesIO(data), file_name="cine.dcm", facts=ScanFacts(**facts)
    )
    return Image.objects.select_related("project").get(pk=image.pk)
