"""From the stored values of a DICOM frame to 8-bit grey or RGB, by pydicom's own steps.

Modality LUT or rescale, then VOI LUT or the first window, then inversion for MONOCHROME1; palette through its table;
YBR to RGB. Each step maps one value to one value, so it is computed once for every value that can occur and looked up
for each pixel: the same result in a fraction of the time and memory. Overlays are not drawn.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.pixels.utils import pixel_array
from pydicom.uid import RLELossless

from images.decoding.dicom import groups, palette, rle
from images.decoding.errors import Undecodable
from images.decoding.facts import Facts
from images.decoding.window import window

_KEPT: Final = (
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_PALETTE: Final = "PALETTE COLOR"
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_RARE: Final = Undecodable(
    "corrupt", "The colours of this DICOM file are written in a rare way. Export the scan as PNG."
)
_STRIP: Final = 256
_SAMPLE: Final = 1_000_000
_FAR: Final = 1e15  # beyond every window, and exact enough in a float64 to land on its ends

Values = NDArray[Any]
ToEight = Callable[[Values], NDArray[np.uint8]]


def settings(dataset: FileDataset) -> Dataset:
    """The attributes that turn values into grey or colour, those in the first frame's functional groups included."""
    flat = Dataset()
    flat.file_meta = dataset.file_meta
    groups.copy(dataset, flat, _KEPT)
    groups.flatten(dataset, flat, 0)
    return flat


def frame(dataset: FileDataset, index: int) -> Values:
    """The stored values of a frame in the machine's byte order: rows by columns, by 3 where it has colour (as RGB)."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == RLELossless:
        return _from_rle(dataset, index)
    values = pixel_array(dataset, index=index, decoding_plugin="pylibjpeg" if syntax.is_encapsulated else "")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _from_rle(dataset: FileDataset, index: int) -> Values:
    coded = get_frame(dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    width, odd = divmod(int(dataset.BitsAllocated), 8)
    if odd or width not in (1, 2, 4):
        raise Undecodable("corrupt")
    values = rle.decode(coded, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, width)
    if dataset.PhotometricInterpretation == "YBR_FULL":
        return convert_color_space(values, "YBR_FULL", "RGB")
    return values.view(f"i{width}") if dataset.PixelRepresentation else values


def picture(dataset: FileDataset, flat: Dataset, facts: Facts) -> Image.Image:
    """The first frame at full size, mode 'L' or 'RGB'."""
    if facts.mode not in (*_GREY, *_COLOUR, _PALETTE):
        raise _RARE
    values = frame(dataset, 0)
    if facts.mode in _GREY:
        return Image.fromarray(_mapped(values, flat, _Grey(flat, values, facts)))
    if facts.mode == _PALETTE:
        palette.check(flat)
        return Image.fromarray(_mapped(values, flat, lambda stored: _coloured(stored, flat)))
    if values.ndim == 3 and values.shape[2] == 3:
        if facts.bits == 16:
            facts.notes.append("The file has 16 bits per channel; the 8 most significant ones are used.")
            values = values >> (int(flat.BitsStored) - 8)
        return Image.fromarray(values.astype(np.uint8, copy=False))
    raise _RARE


def _mapped(values: Values, flat: Dataset, to_eight: ToEight) -> NDArray[np.uint8]:
    """`to_eight` of every pixel: through a table for up to 16 bits, else by strips of rows."""
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        patterns = np.arange(2 ** (8 * values.dtype.itemsize), dtype=f"u{values.dtype.itemsize}")
        table = to_eight(_used_bits(patterns.view(values.dtype), flat))
        return table[values.view(patterns.dtype)]
    strips = [to_eight(values[row : row + _STRIP]) for row in range(0, values.shape[0], _STRIP)]
    return np.concatenate(strips)


def _used_bits(values: Values, flat: Dataset) -> Values:
    """The values without the bits above BitsStored, which may hold anything, such as an overlay (PS3.5 8.1.1)."""
    spare = 8 * values.dtype.itemsize - int(flat.BitsStored)
    if (
        values.dtype.kind not in "iu"
        or spare <= 0
        or int(flat.get("HighBit", flat.BitsStored - 1)) != flat.BitsStored - 1
    ):
        return values
    return (values << spare) >> spare  # an arithmetic shift: the sign of signed values is kept


def _coloured(stored: Values, flat: Dataset) -> NDArray[np.uint8]:
    colours = apply_color_lut(stored.reshape(1, -1), flat)[0]
    is_deep = colours.dtype.itemsize > 1 and colours.max() > 255  # some tables announce 16 bits and use 8
    eight: NDArray[np.uint8] = (colours >> 8 if is_deep else colours).astype(np.uint8)
    return eight


class _Grey:
    """Stored values to grey levels, by what the file asks for; where it asks for nothing, by what occurs in it."""

    def __init__(self, flat: Dataset, values: Values, facts: Facts) -> None:
        self.flat = flat
        self.inverted = facts.mode == "MONOCHROME1"
        self.voi: Callable[[Values], Values] | None = None
        self.low, self.high = self._asked(facts) or self._occurring(values, facts)

    def __call__(self, stored: Values) -> NDArray[np.uint8]:
        shown = apply_modality_lut(stored, self.flat)
        shown = self.voi(shown) if self.voi else shown
        scaled = np.clip((shown.astype(np.float64) - self.low) * (255.0 / (self.high - self.low)), 0.0, 255.0)
        grey: NDArray[np.uint8] = np.rint(np.nan_to_num(scaled, nan=0.0)).astype(np.uint8)
        return 255 - grey if self.inverted else grey

    def _asked(self, facts: Facts) -> tuple[float, float] | None:
        """The range of what the VOI LUT or window puts out, or None where there is none that can be used."""
        if not (self.flat.get("VOILUTSequence") or self.flat.get("WindowWidth") is not None):
            return None
        try:
            ends = self._voi(np.array([-_FAR, _FAR])) if not self.flat.get("VOILUTSequence") else self._table_range()
        # Whatever a LUT or window holds: the pixels are there and can be shown without it.
        except Exception:
            ends = np.zeros(2)
        if not (np.isfinite(ends).all() and ends[0] != ends[1]):
            facts.notes.append("The window (VOI LUT) of the file cannot be used and was ignored.")
            return None
        self.voi = self._voi
        return float(ends[0]), float(ends[1])

    def _voi(self, values: Values) -> Values:
        with np.errstate(over="ignore"):  # far ends of a sigmoid
            return apply_voi_lut(values, self.flat)

    def _table_range(self) -> Values:
        """Zero to the largest value of as many bits as the table uses: some announce 16 and fill 12."""
        used = int(self._voi(np.arange(-(2**15), 2**16)).max())
        return np.array([0, 2 ** used.bit_length() - 1], dtype=np.float64)

    def _occurring(self, values: Values, facts: Facts) -> tuple[float, float]:
        if facts.bits == 8 and values.dtype.kind in "iu":
            bits, signed = int(self.flat.BitsStored), int(self.flat.PixelRepresentation)
            ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1])
            low, high = (float(end) for end in apply_modality_lut(ends, self.flat))
            return (low, high) if low != high else (low, low + 1.0)
        flat_values = values.reshape(-1)
        sample = _used_bits(flat_values[:: max(1, flat_values.size // _SAMPLE)], self.flat)
        low, high = window(apply_modality_lut(sample, self.flat))
        facts.notes.append(f"Values from {low:g} to {high:g} of the file are shown as black to white.")
        return low, high
