"""From stored values to grey levels and colours: the rarer ways a DICOM file asks for."""

import io

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from images.decoding import Decoded, Undecodable
from tests.images.decoding.codestreams import pattern
from tests.images.decoding.conftest import opened
from tests.images.decoding.dicoms import dataset, decode, dicom, edited, written


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition))


def item(**values) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def lut(entries: np.ndarray, first: int, bits: int) -> Dataset:
    made = item(LUTDescriptor=[len(entries), first, bits])
    made.add(DataElement("LUTData", "US", [int(entry) for entry in entries]))
    return made


def with_palette(bits: int) -> bytes:
    """200 entries from index 3 on; 8-bit entries are packed two to a word."""
    made = dataset((pattern() % 220).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour, step in (("Red", 1), ("Green", 2), ("Blue", 3)):
        entries = (np.arange(200) * step % 256).astype(np.uint16) * (257 if bits == 16 else 1)
        table = entries.astype("<u2") if bits == 16 else entries.astype(np.uint8)
        made.add(DataElement(f"{colour}PaletteColorLookupTableDescriptor", "US", [200, 3, bits]))
        made.add(DataElement(f"{colour}PaletteColorLookupTableData", "OW", table.tobytes()))
    return written(made)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_gives_its_colours(pool, bits):
    data = with_palette(bits)
    source = dcmread(io.BytesIO(data))
    theirs = apply_color_lut(source.pixel_array, source)
    assert np.array_equal(shown(decode(pool, data)), theirs >> 8 if bits == 16 else theirs)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_voi_lut_goes_before_a_window(pool, photometric):
    made = dataset(pattern(), PhotometricInterpretation=photometric, WindowCenter="1", WindowWidth="2")
    made.VOILUTSequence = [lut(np.linspace(0, 4095, 3000) ** 2 / 4095, 500, 12)]
    data = written(made)
    source = dcmread(io.BytesIO(data))
    theirs = np.rint(apply_voi_lut(source.pixel_array, source) * (255 / 4095)).astype(np.uint8)
    assert np.array_equal(shown(decode(pool, data)), 255 - theirs if photometric == "MONOCHROME1" else theirs)


def test_a_modality_lut_goes_before_the_window(pool):
    made = dataset(pattern(), WindowCenter="128", WindowWidth="256")
    made.ModalityLUTSequence = [lut(np.arange(4096) // 16, 0, 8)]
    data = written(made)
    source = dcmread(io.BytesIO(data))
    theirs = apply_voi_lut(apply_modality_lut(source.pixel_array, source), source)
    assert np.array_equal(shown(decode(pool, data)), np.rint(theirs).astype(np.uint8))


def test_a_lut_that_announces_more_bits_than_it_fills_is_not_dark(pool):
    made = dataset(pattern())
    made.VOILUTSequence = [lut(np.arange(4096), 0, 16)]
    assert shown(decode(pool, written(made))).max() == round(int(pattern().max()) * 255 / 4095)


@pytest.mark.parametrize(("center", "width"), [("100", "0"), ("100", "-5"), ("", ""), ("nan", "10")])
def test_a_window_that_cannot_be_is_ignored_and_said_to_be(pool, center, width):
    data = dicom(pattern(), WindowCenter=center, WindowWidth=width)
    decoded = decode(pool, data)
    assert shown(decoded).std() > 40
    assert any("window" in note for note in decoded.notes) == bool(width)


def test_bits_above_those_stored_are_no_part_of_the_picture(pool):
    tags = {"BitsStored": 12, "WindowCenter": "2048", "WindowWidth": "4096"}
    overlay = pattern() | (np.uint16(1) << np.uint16(15))
    assert np.array_equal(shown(decode(pool, dicom(overlay, **tags))), shown(decode(pool, dicom(pattern(), **tags))))


def test_the_first_frame_has_its_own_window_and_spacing(pool):
    frames = np.stack([pattern(), pattern()[::-1]])
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=["0.5", "0.5"])])
    own = [item(FrameVOILUTSequence=[item(WindowCenter=str(at), WindowWidth="800")]) for at in (1000, 3000)]
    for one in own:
        one.PixelValueTransformationSequence = [item(RescaleSlope="2", RescaleIntercept="-100", RescaleType="US")]
    enhanced = dataset(frames, SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=own)
    flat = dicom(pattern(), WindowCenter="1000", WindowWidth="800", RescaleSlope="2", RescaleIntercept="-100")
    decoded = decode(pool, written(enhanced))
    assert np.array_equal(shown(decoded), shown(decode(pool, flat)))
    assert decoded.tags["pixel_spacing"] == 0.5


def test_sixteen_bit_colour_is_brought_to_eight(pool):
    colour = np.stack([pattern() * 16, pattern(), pattern()[::-1] * 8], axis=2)
    decoded = decode(pool, dicom(colour))
    assert np.array_equal(shown(decoded), colour >> 8)
    assert any("16 bits per channel" in note for note in decoded.notes)


def test_colour_planes_in_another_order_are_the_same_picture(pool):
    colour = np.stack([pattern() >> 4, pattern() % 251, 255 - (pattern() >> 4)], axis=2).astype(np.uint8)

    def by_plane(source: FileDataset) -> None:
        source.PlanarConfiguration = 1
        source.PixelData = colour.transpose(2, 0, 1).tobytes()

    data = dicom(colour)
    assert np.array_equal(shown(decode(pool, data)), colour)
    assert np.array_equal(shown(decode(pool, edited(data, by_plane))), colour)


def test_float_pixels_are_windowed(pool):
    made = dataset(pattern().astype(np.uint32), PixelData=None)
    del made.BitsStored, made.HighBit, made.PixelRepresentation
    made.FloatPixelData = (pattern().astype("<f4") / 4096).tobytes()
    pixels = shown(decode(pool, written(made)))
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_a_picture_of_single_bits_is_read(pool):
    mask = np.zeros((16, 32), np.uint8)
    mask[:, 16:] = 1
    packed = np.packbits(mask.ravel(), bitorder="little").tobytes()

    def to_bits(source: FileDataset) -> None:
        source.BitsAllocated, source.BitsStored, source.HighBit, source.PixelData = 1, 1, 0, packed

    assert np.array_equal(shown(decode(pool, edited(dicom(mask), to_bits))), mask * 255)


def test_an_overlay_is_not_drawn_into_the_picture(pool):
    plain = dicom(pattern(), WindowCenter="2048", WindowWidth="4096")

    def with_overlay(source: FileDataset) -> None:
        source.add_new(0x60000010, "US", 24)
        source.add_new(0x60000011, "US", 20)
        source.add_new(0x60003000, "OW", b"\xff" * 60)

    assert np.array_equal(shown(decode(pool, edited(plain, with_overlay))), shown(decode(pool, plain)))


def test_a_large_picture_is_shown_at_2048(pool):
    decoded = decode(pool, dicom(np.tile(pattern(), (100, 150)), WindowCenter="2048", WindowWidth="4096"))
    assert (decoded.width, decoded.height) == (3000, 2400)
    assert (decoded.rendition_width, decoded.rendition_height) == (2048, 1638)


def test_a_colour_model_that_is_not_known_is_refused(pool):
    with pytest.raises(Undecodable) as caught:
        decode(pool, dicom(pattern(), PhotometricInterpretation="CIELAB"))
    assert caught.value.code == "corrupt"
    assert "colours" in caught.value.detail
