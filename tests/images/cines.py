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
    """A cine: a bright disc on a dark, patchy ground, which moves from left to right from frame to frame. Other seeds look
    different enough to be no copies. `blank`: frames, from 1, that show nothing but one grey, of each seed another."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    patches = np.kron(rng.integers(0, 80, (4, 4)), np.ones((side // 4, side // 4)))
    values = (rng.integers(10, 30, (frames, side, side)) + patches).astype(np.uint8)
    middle = side * rng.uniform(0.3, 0.7)
    for number in range(frames):
        centre = (number + 1) * side / (frames + 1)
        values[number][(rows - middle) ** 2 + (columns - centre) ** 2 < (side / 6) ** 2] = bright
    for number in blank:
        values[number - 1] = 30 + seed
    uid = f"1.2.826.0.1.3680043.8.498.{seed + 1}{frames}"
    usual = {
        "Modality": "US",
        "SOPInstanceUID": f"{uid}.1",
        "StudyInstanceUID": f"{uid}.2",
        "SeriesInstanceUID": f"{uid}.3",
    }
    return dicom(values, **{**usual, **tags})


def store(project, actor, data: bytes, **facts) -> Image:
    """The scan of a file, as it is stored."""
    image, _ = upload_scan(
        actor=actor, project=project, source=io.BytesIO(data), file_name="cine.dcm", facts=ScanFacts(**facts)
    )
    return Image.objects.select_related("project").get(pk=image.pk)
