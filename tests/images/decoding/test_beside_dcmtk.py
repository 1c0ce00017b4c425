"""Renditions beside the arithmetic of PS3.3, and beside dcm2pnm of DCMTK (Debian: dcmtk, libgdcm-tools) where it is installed.

dcm2pnm is called with the options that mean what MediScan does: the first window or table of the file; where there is none, the
range of values that the note names. At most one grey level apart.
"""

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import DataElement, Dataset, dcmread, uid

from images.decoding import Decoded, Undecodable
from images.decoding.shaping import RENDITION_SIDE, fit, shrunk
from tests.images.decoding.codestreams import pattern
from tests.images.decoding.conftest import opened
from tests.images.decoding.dicoms import dataset, decode, written

SIGNED = pattern().astype(np.int16) - 1500
BYTES = (pattern() >> 4).astype(np.uint8)
needs_dcmtk = pytest.mark.skipif(not shutil.which("dcmj2pnm"), reason="dcm2pnm is not installed (apt: dcmtk)")

# What dcm2pnm 3.6.7 does in another way than the standard, or not at all.
DCMTK_DIFFERS = {
    "exact window": "it ignores LINEAR_EXACT",
    "narrow sigmoid": "it takes no width below 1",
    "7 of 8 bits": "it doubles each value, so that white is 254",
}

# By the end of its name: why a real file looks otherwise there, or cannot be compared.
REAL_DIFFERS = {
    "examples_ybr_color.dcm": "lossy with subsampled chroma, which each decoder spreads in its own way (3 grey levels)",
    "RG3_HTJ2K_wrapped_here.dcm": "neither DCMTK nor GDCM of Debian 12 reads HTJ2K",
    "sm_image_grayscale.dcm": "a whole slide: dcm2pnm shows its first tile",
    "seg_image_sm_control_labelmap_palette_color.dcm": "a whole slide: dcm2pnm shows its first tile",
    "meta_explicit_data_implicit.dcm": "the file contradicts itself about its encoding; dcm2pnm refuses it",
    "meta_implicit_data_explicit.dcm": "the file contradicts itself about its encoding; dcm2pnm refuses it",
    "jpeg_says_rgb_is_ycbcr_no_app0.dcm": "dcm2pnm believes the header and shows YCbCr as RGB",
}


def linear(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, from 0 to 1."""
    middle = (values - (center - 0.5)) / (width - 1) + 0.5
    middle = np.where(values <= center - 0.5 - (width - 1) / 2, 0.0, middle)
    return np.where(values > center - 0.5 + (width - 1) / 2, 1.0, middle)


def looked_up(values: np.ndarray, entries: np.ndarray, first: int, bits: int) -> np.ndarray:
    """PS3.3 C.11.2.1.1, from 0 to 1."""
    return entries[np.clip(values - first, 0, len(entries) - 1)] / (2.0**bits - 1)


def table(entries: np.ndarray, first: int, bits: int, *, packed: bool = False, vr: str = "OW") -> Dataset:
    """An item of a LUT sequence; `packed`: two entries to a word."""
    item = Dataset()
    sign = "SS" if first < 0 else "US"
    item.add(DataElement("LUTDescriptor", sign, [len(entries) % 65536, first, bits]))
    content = entries.astype(np.uint8 if packed else "<u2").tobytes()
    words = [int(word) for word in np.frombuffer(content, "<u2")]
    item.add(DataElement("LUTData", vr, content if vr == "OW" else words))
    return item


RISING = np.round(np.linspace(0, 1, 4096) ** 2 * 255).astype(np.uint16)
SHORT = np.round(np.linspace(0, 400, 4096)).astype(np.uint16)
NEGATIVE = np.round(np.linspace(0, 1023, 3000)).astype(np.uint16)

# name: stored values, tags, and what the standard makes of them, from 0 to 1; then dcm2pnm's options.
Case = tuple[np.ndarray, dict, Callable[[np.ndarray], np.ndarray], list[str]]
CASES: dict[str, Case] = {
    "window": (
        pattern(), {"WindowCenter": "2000", "WindowWidth": "1500"}, lambda x: linear(x, 2000, 1500), ["+Wi", "1"],
    ),
    "window of signed values": (
        SIGNED, {"WindowCenter": "40", "WindowWidth": "400"}, lambda x: linear(x, 40, 400), ["+Wi", "1"],
    ),
    "first of two windows": (
        SIGNED, {"WindowCenter": ["40", "9"], "WindowWidth": ["400", "9"]},
        lambda x: linear(x, 40, 400), ["+Wi", "1"],
    ),
    "window of width 1": (
        pattern(), {"WindowCenter": "2000", "WindowWidth": "1"}, lambda x: (x > 1999.5) * 1.0, ["+Wi", "1"],
    ),
    "window after a falling rescale": (
        pattern(), {"RescaleSlope": "-0.5", "RescaleIntercept": "100", "WindowCenter": "-700", "WindowWidth": "900"},
        lambda x: linear(x * -0.5 + 100, -700, 900), ["+Wi", "1"],
    ),
    "sigmoid": (
        pattern(), {"WindowCenter": "2000", "WindowWidth": "1500", "VOILUTFunction": "SIGMOID"},
        lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 1500)), ["+Wi", "1"],
    ),
    "narrow sigmoid": (
        pattern(), {"RescaleSlope": "0.0001", "RescaleIntercept": "0", "WindowCenter": "0.2", "WindowWidth": "0.3",
                    "VOILUTFunction": "SIGMOID"},
        lambda x: 1 / (1 + np.exp(-4 * (x * 0.0001 - 0.2) / 0.3)), ["+Wi", "1"],
    ),
    "exact window": (
        pattern() % 64, {"WindowCenter": "32", "WindowWidth": "16", "VOILUTFunction": "LINEAR_EXACT"},
        lambda x: np.clip((x - 32) / 16 + 0.5, 0, 1), ["+Wi", "1"],
    ),
    "12 bits that begin at bit 15": (
        pattern() << 4, {"BitsStored": 12, "HighBit": 15, "WindowCenter": "2000", "WindowWidth": "1500"},
        lambda x: linear(x >> 4, 2000, 1500), ["+Wi", "1"],
    ),
    "signed 12 bits that begin at bit 13": (
        (SIGNED << 2).astype(np.int16), {"BitsStored": 12, "HighBit": 13, "WindowCenter": "40", "WindowWidth": "900"},
        lambda x: linear(((x >> 2) + 2048) % 4096 - 2048, 40, 900), ["+Wi", "1"],
    ),
    "8 bits that fall": (BYTES, {"RescaleSlope": "-1", "RescaleIntercept": "0"}, lambda x: 1 - x / 255, []),
    "8 bits that rise": (BYTES, {"RescaleSlope": "2.5", "RescaleIntercept": "-7"}, lambda x: x / 255, []),
    "7 of 8 bits": (BYTES >> 1, {"BitsStored": 7}, lambda x: x / 127, []),
    "signed bytes": (BYTES.astype(np.int16).astype(np.int8), {}, lambda x: (x + 128.0) / 255, []),
    "table of bytes, packed": (
        pattern(), {"VOILUTSequence": [table(RISING, 0, 8, packed=True)]},
        lambda x: looked_up(x, RISING, 0, 8), ["+Wl", "1"],
    ),
    "table of bytes, packed into numbers": (
        pattern(), {"VOILUTSequence": [table(RISING, 0, 8, packed=True, vr="US")]},
        lambda x: looked_up(x, RISING, 0, 8), ["+Wl", "1"],
    ),
    "table of bytes, padded": (
        pattern(), {"VOILUTSequence": [table(RISING, 0, 8)]}, lambda x: looked_up(x, RISING, 0, 8), ["+Wl", "1"],
    ),
    "table that uses the lower half of its range": (
        pattern(), {"VOILUTSequence": [table(SHORT, 0, 10, vr="US")]},
        lambda x: looked_up(x, SHORT, 0, 10), ["+Wl", "1"],
    ),
    "table from a negative value": (
        SIGNED, {"VOILUTSequence": [table(NEGATIVE, -1200, 10)]},
        lambda x: looked_up(x, NEGATIVE, -1200, 10), ["+Wl", "1"],
    ),
    "window after a table": (
        pattern(), {"ModalityLUTSequence": [table(RISING * 4, 0, 10)], "WindowCenter": "400", "WindowWidth": "700"},
        lambda x: linear(RISING[x] * 4, 400, 700), ["+Wi", "1"],
    ),
    "8 bits after a table of bytes": (
        BYTES, {"ModalityLUTSequence": [table(RISING[::16], 0, 8, packed=True)]},
        lambda x: RISING[::16][x] / 255, [],
    ),
}  # fmt: skip


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition)).astype(int)


def made(name: str, photometric: str) -> bytes:
    values, tags, _, _ = CASES[name]
    return written(dataset(values, PhotometricInterpretation=photometric, **tags))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("name", CASES)
def test_grey_is_what_the_standard_makes_of_the_values(pool, name, photometric):
    values, _, standard, _ = CASES[name]
    expected = 255 * standard(values.astype(np.int64))
    expected = 255 - expected if photometric == "MONOCHROME1" else expected
    decoded = decode(pool, made(name, photometric))
    assert np.abs(shown(decoded) - expected).max() <= 0.51
    assert decoded.notes == ()
    assert pool.decode(decoded.stored, own=True).rendition == decoded.rendition


@needs_dcmtk
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("name", sorted(CASES.keys() - DCMTK_DIFFERS.keys()))
def test_grey_is_what_dcm2pnm_shows(pool, tmp_path, name, photometric):
    data = made(name, photometric)
    assert apart(decode(pool, data), dcm2pnm(data, tmp_path, CASES[name][3])) <= 1


def test_the_exceptions_are_cases():
    assert DCMTK_DIFFERS.keys() <= CASES.keys()


@needs_dcmtk
def test_every_real_file_is_what_dcm2pnm_shows(pool, shared_data, tmp_path):
    """Those that both can read."""
    differences, compared = {}, 0
    if not shutil.which("gdcmconv"):
        pytest.skip("gdcmconv, which unpacks JPEG 2000 for dcm2pnm, is not installed (apt: libgdcm-tools)")
    for path in sorted(shared_data.glob("*/*.dcm")):
        if path.name.endswith(tuple(REAL_DIFFERS)):
            continue
        data = path.read_bytes()
        try:
            decoded = decode(pool, data)
        except Undecodable:
            continue
        compared += 1
        try:
            difference = apart(decoded, dcm2pnm(data, tmp_path, same_options(data, decoded)))
        except (subprocess.CalledProcessError, OSError, AssertionError) as error:
            difference = str(error)
        if difference not in (0, 1):
            differences[path.name] = difference
    assert differences == {}
    assert compared > 20


def dcm2pnm(data: bytes, folder: Path, options: list[str]) -> Image.Image:
    """What DCMTK shows of a file, frame 1 unless `options` say another one; without overlays."""
    path, source = folder / "scan.dcm", dcmread(io.BytesIO(data), stop_before_pixels=True)
    path.write_bytes(data)
    syntax = source.file_meta.TransferSyntaxUID
    if syntax in uid.JPEG2000TransferSyntaxes:
        subprocess.run(["gdcmconv", "--raw", path, path], check=True, capture_output=True)
    tool = "dcml2pnm" if syntax in uid.JPEGLSTransferSyntaxes else "dcmj2pnm"
    done = subprocess.run([tool, "-q", "-O", *options, path], check=True, capture_output=True)
    return Image.open(io.BytesIO(done.stdout))


def apart(decoded: Decoded, theirs: Image.Image) -> int:
    """The largest difference in grey levels, in the size of the rendition."""
    ours, theirs = opened(decoded.rendition), fit(shrunk(theirs), RENDITION_SIDE)
    assert ours.size == theirs.size
    ours, theirs = (im.convert("RGB") if "RGB" in (ours.mode, theirs.mode) else im for im in (ours, theirs))
    return int(np.abs(np.asarray(ours).astype(int) - np.asarray(theirs)).max())


def same_options(data: bytes, decoded: Decoded) -> list[str]:
    """What makes dcm2pnm use the window, table or range that the rendition uses, and the same frame."""
    source = dcmread(io.BytesIO(data), stop_before_pixels=True)
    said = " ".join(decoded.notes)
    frame = re.search(r"Frame (\d+) of", said)
    options = ["+F", frame[1]] if frame else []
    if found := re.search(r"Values from (\S+) to (\S+) of the file", said):
        low, high = float(found[1]), float(found[2])
        return [*options, "+Ww", str((low + high + 1) / 2), str(high - low + 1)]
    if source.get("VOILUTSequence"):
        return [*options, "+Wl", "1"]
    return [*options, "+Wi", "1"] if source.get("WindowWidth") is not None else options
