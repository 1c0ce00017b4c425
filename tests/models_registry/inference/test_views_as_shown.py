"""What a network sees of a scan's view is what a page shows of it, or the range of Hounsfield units that was asked for."""

import numpy as np
import pytest

from images.decoding import DecoderPool, Limits
from images.learning import LearningView
from models_registry.inference.looks import Look
from models_registry.inference.preprocess import Preprocess
from tests.conftest import PATIENCE_S
from tests.images.decoding.conftest import opened
from tests.images.decoding.dicoms import decode, dicom

SIDE = 64
STORED = (np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 30 - 1000).astype(np.int16)


@pytest.fixture(scope="module")
def pool():
    made = DecoderPool(Limits(size=1, timeout_s=PATIENCE_S))
    yield made
    made.close()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("tags", [{}, {"WindowCenter": "300", "WindowWidth": "1000"}])
def test_grey_levels_are_those_of_the_page(pool, photometric, tags):
    decoded = decode(pool, dicom(STORED, PhotometricInterpretation=photometric, **tags), learning=True)
    seen = Preprocess(SIDE, 0.5, 0.2, 1, Look("grey", "letterbox")).pixels([LearningView.from_bytes(decoded.learning)])
    shown = np.asarray(opened(decoded.rendition)).astype(int)
    assert np.abs(seen[0].astype(int) - shown).max() <= 1
    assert (seen[0, 0, 0] > seen[0, -1, -1]) == (photometric == "MONOCHROME1")


def test_windows_are_ranges_of_hounsfield_units_whatever_the_file_stores(pool):
    data = dicom(STORED, RescaleSlope="2", RescaleIntercept="-24", WindowCenter="0", WindowWidth="10")
    view = LearningView.from_bytes(decode(pool, data, learning=True).learning)
    look = Look("windows", "squash", ((40.0, 400.0), (-600.0, 1500.0)))
    seen = Preprocess(SIDE, (0.5, 0.5), (0.2, 0.2), 2, look).pixels([view])[0].astype(int)
    units = STORED * 2.0 - 24
    for channel, (centre, width) in enumerate(look.windows):
        wanted = np.clip((units - centre + width / 2) / width, 0, 1) * 255
        assert np.abs(seen[..., channel] - wanted).max() <= 0.51
