"""A file of several frames or pages becomes one file for each."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import DataElement, Dataset, dcmread, uid
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import pixel_array

from images.decoding import DecoderPool, Limits, Undecodable
from tests.conftest import PATIENCE_S
from tests.images.decoding.codestreams import codestream, pattern
from tests.images.decoding.conftest import encode, gradient, opened
from tests.images.decoding.dicoms import dataset, decode, dicom, edited, in_syntax, packed, written
from tests.images.decoding.tiffs import tiff, with_second_page

FRAMES = np.stack([pattern(), pattern()[::-1], pattern()[:, ::-1]])


@pytest.mark.parametrize(("name", "count"), [("emri_small.dcm", 10), ("examples_ybr_color.dcm", 30)])
def test_every_frame_of_the_real_files_is_kept_bit_by_bit(pool, shared_data, name, count):
    path = shared_data / "dicom" / name
    parts, source = list(pool.split(path.read_bytes())), dcmread(path)
    frames = source.pixel_array
    assert len(parts) == count
    for number, part in enumerate(parts):
        made = dcmread(io.BytesIO(part))
        assert np.array_equal(made.pixel_array, frames[number])
        assert (made.InstanceNumber, made.get("NumberOfFrames")) == (number + 1, None)
        assert (made.get("PatientID"), made.Modality) == (source.get("PatientID"), source.Modality)
    assert len({dcmread(io.BytesIO(part)).SOPInstanceUID for part in parts}) == count


def test_a_part_is_decoded_like_any_file_and_looks_like_its_frame(pool, shared_data):
    data = (shared_data / "dicom" / "examples_ybr_color.dcm").read_bytes()
    first = next(iter(pool.split(data)))
    whole, part = decode(pool, data), decode(pool, first)
    assert (part.rendition, part.tile, part.frames) == (whole.rendition, whole.tile, 1)
    assert part.tags["patient"] == "204"
    last = opened(decode(pool, list(pool.split(data))[-1]).rendition)
    assert np.array_equal(np.asarray(last), pixel_array(dcmread(io.BytesIO(data)), index=29))


def test_the_same_file_always_gives_the_same_parts(pool, shared_data):
    data = (shared_data / "dicom" / "emri_small.dcm").read_bytes()
    other = DecoderPool(Limits(size=1, timeout_s=PATIENCE_S))
    assert list(pool.split(data)) == list(other.split(data))
    other.close()


def test_each_part_has_the_window_and_place_of_its_own_frame(pool):
    def group(number: int) -> Dataset:
        made, window, plane = Dataset(), Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = str(1000 * number), "900"
        plane.ImagePositionPatient = ["0", "0", str(number)]
        made.FrameVOILUTSequence, made.PlanePositionSequence = [window], [plane]
        return made

    shared, spacing = Dataset(), Dataset()
    spacing.PixelSpacing = ["0.4", "0.4"]
    shared.PixelMeasuresSequence = [spacing]
    source = dataset(FRAMES, SharedFunctionalGroupsSequence=[shared], SOPClassUID=uid.EnhancedMRImageStorage)
    source.PerFrameFunctionalGroupsSequence = [group(number) for number in (1, 2, 3)]
    parts = list(pool.split(written(source)))
    for number, part in enumerate(parts, start=1):
        made = dcmread(io.BytesIO(part))
        assert (made.WindowCenter, made.ImagePositionPatient[2], made.PixelSpacing[0]) == (1000 * number, number, 0.4)
        assert made.SOPClassUID == uid.MRImageStorage
        flat = dicom(FRAMES[number - 1], WindowCenter=str(1000 * number), WindowWidth="900")
        assert decode(pool, part).rendition == decode(pool, flat).rendition


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian]
)
def test_frames_are_taken_apart_in_every_byte_order(pool, syntax):
    tags = {"Modality": "MR", "WindowCenter": "2000", "WindowWidth": "3000"}
    parts = [dcmread(io.BytesIO(part)) for part in pool.split(in_syntax(FRAMES, syntax, **tags))]
    assert np.array_equal(np.stack([part.pixel_array for part in parts]), FRAMES)
    assert {part.file_meta.TransferSyntaxUID for part in parts} == {uid.ExplicitVRLittleEndian}
    assert {(part.Modality, part.WindowWidth) for part in parts} == {("MR", 3000)}


def test_packed_frames_are_unpacked(pool):
    data = packed([codestream("jpeg_ls")] * 3, FRAMES, uid.JPEGLSLossless, BitsStored=12)
    parts = list(pool.split(data))
    assert len(parts) == 3
    assert all(np.array_equal(dcmread(io.BytesIO(part)).pixel_array, pattern()) for part in parts)


def colours(count: int = 3) -> np.ndarray:
    """Frames of smooth colour, each another one."""
    y, x = np.mgrid[0:24, 0:20]
    return np.stack([
        np.stack([x * 11, y * 9, np.full_like(x, 60 * number + 20)], axis=2) for number in range(count)
    ]).astype(np.uint8)  # fmt: skip


def by_plane(source: Dataset) -> None:
    source.PlanarConfiguration, source.PixelData = 1, colours().transpose(0, 3, 1, 2).tobytes()


def ybr(source: Dataset) -> None:
    source.PhotometricInterpretation = "YBR_FULL"
    source.PixelData = convert_color_space(colours(), "RGB", "YBR_FULL").tobytes()


def ybr_by_plane(source: Dataset) -> None:
    source.PhotometricInterpretation, source.PlanarConfiguration = "YBR_FULL", 1
    source.PixelData = convert_color_space(colours(), "RGB", "YBR_FULL").transpose(0, 3, 1, 2).tobytes()


def subsampled(source: Dataset) -> None:
    """Two luma, then one blue and one red difference for both (PS3.3 C.7.6.3.1.2)."""
    source.PhotometricInterpretation = "YBR_FULL_422"
    pairs = convert_color_space(colours(), "RGB", "YBR_FULL").reshape(-1, 2, 3)
    source.PixelData = np.stack([pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, 0, 1], pairs[:, 0, 2]], axis=1).tobytes()


def run_lengths(source: Dataset) -> None:
    source.compress(uid.RLELossless)


def ybr_in_run_lengths(source: Dataset) -> None:
    ybr(source)
    source.compress(uid.RLELossless)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("change", "tolerance"),
    [(by_plane, 0), (ybr, 2), (ybr_by_plane, 2), (subsampled, 14), (run_lengths, 0), (ybr_in_run_lengths, 2)],
)
def test_every_frame_has_its_own_colours(pool, change, tolerance, syntax):
    data = edited(in_syntax(colours(), syntax), change)
    parts = list(pool.split(data))
    assert len(parts) == 3
    for part, expected in zip(parts, colours(), strict=True):
        made = dcmread(io.BytesIO(part))
        assert (made.PhotometricInterpretation, made.PlanarConfiguration) == ("RGB", 0)
        assert np.abs(made.pixel_array.astype(int) - expected).max() <= tolerance
        assert np.abs(np.asarray(opened(decode(pool, part).rendition)).astype(int) - expected).max() <= tolerance


def test_every_frame_of_single_bits_is_kept(pool):
    masks = np.zeros((5, 9, 11), np.uint8)
    for number in range(5):
        masks[number, number:] = 1
    data = edited(dicom(masks), lambda source: _to_bits(source, masks))
    parts = [dcmread(io.BytesIO(part)) for part in pool.split(data)]
    assert np.array_equal(np.stack([part.pixel_array for part in parts]), masks)
    assert {int(opened(decode(pool, written(part)).rendition).getextrema()[1]) for part in parts} == {255}


def _to_bits(source: Dataset, masks: np.ndarray) -> None:
    bits = np.packbits(masks.ravel(), bitorder="little").tobytes()
    source.BitsAllocated, source.BitsStored, source.HighBit = 1, 1, 0
    source.PixelData = bits + b"\0" * (len(bits) % 2)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_frame_looks_like_the_same_frame_alone(pool, dtype, photometric):
    frames = np.stack([pattern(), pattern()[::-1], pattern()[:, ::-1]]).astype(dtype)
    tags = {"PhotometricInterpretation": photometric, "WindowCenter": "60", "WindowWidth": "90", "RescaleSlope": "-0.5"}
    for part, alone in zip(pool.split(dicom(frames, **tags)), frames, strict=True):
        assert decode(pool, part).rendition == decode(pool, dicom(alone, **tags)).rendition


def test_bits_of_another_place_are_put_right_in_every_frame(pool):
    data = dicom(FRAMES << 4, BitsStored=12, HighBit=15)
    for part, expected in zip(pool.split(data), FRAMES, strict=True):
        made = dcmread(io.BytesIO(part))
        assert (made.BitsStored, made.HighBit) == (12, 11)
        assert np.array_equal(made.pixel_array, expected)


def test_every_frame_of_a_palette_keeps_it(pool):
    source = dataset((FRAMES % 200).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour, step in (("Red", 1), ("Green", 2), ("Blue", 3)):
        entries = (np.arange(200) * step % 256).astype(np.uint8)
        source.add(DataElement(f"{colour}PaletteColorLookupTableDescriptor", "US", [200, 0, 8]))
        source.add(DataElement(f"{colour}PaletteColorLookupTableData", "OW", entries.tobytes()))
    for part, frame in zip(pool.split(written(source)), FRAMES % 200, strict=True):
        expected = np.stack([frame, frame * 2 % 256, frame * 3 % 256], axis=2)
        assert np.array_equal(np.asarray(opened(decode(pool, part).rendition)), expected)


def test_every_page_of_deep_colour_is_shown(pool):
    grey = Image.fromarray(pattern()[:9])
    for values in (np.repeat(pattern()[..., None], 3, 2), np.stack([pattern(), pattern()[::-1], pattern() // 2], 2)):
        data = with_second_page(tiff(values), encode(grey, "TIFF"))
        first, second = pool.split(data)
        assert len(np.unique(np.asarray(opened(pool.decode(first).rendition)))) > 60
        assert pool.decode(first).width == 20
        assert pool.decode(second).height == 9


def test_a_later_frame_that_is_cut_is_found_when_its_turn_comes(pool):
    whole = codestream("jpeg_ls")
    parts = pool.split(packed([whole, whole[:300]], FRAMES[:2], uid.JPEGLSLossless, BitsStored=12))
    with pytest.raises(Undecodable) as caught:
        list(parts)
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_page_of_a_tiff_is_kept_value_by_value(pool, mode):
    deep = Image.fromarray(pattern())
    pages = [deep, deep.transpose(Image.Transpose.ROTATE_90)] if mode == "I;16" else []
    pages = pages or [gradient(90, 60).convert(mode), gradient(30, 50).convert(mode)]
    parts = list(pool.split(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])))
    assert [opened(part).tobytes() for part in parts] == [page.tobytes() for page in pages]
    assert [pool.decode(part).frames for part in parts] == [1, 1]


def test_the_shared_tiff_of_three_pages_gives_three(pool, shared_data):
    data = (shared_data / "broken" / "multipage.tiff").read_bytes()
    parts = list(pool.split(data))
    assert len(parts) == 3
    assert pool.decode(parts[0]).rendition == pool.decode(data).rendition
    assert len({pool.decode(part).tile for part in parts}) == 3
    assert parts == list(pool.split(data))


def test_a_file_of_one_frame_or_of_another_kind_comes_back_as_it_is(pool):
    animation = encode(gradient(), "PNG", save_all=True, append_images=[gradient()])
    for data in (dicom(pattern()), encode(gradient(), "TIFF"), encode(gradient(), "JPEG"), animation):
        assert list(pool.split(data)) == [data]


def test_many_frames_come_in_several_answers_and_too_many_are_refused(pool):
    data = dicom(np.arange(150 * 64, dtype=np.uint16).reshape(150, 8, 8))
    values = [dcmread(io.BytesIO(part)).pixel_array[0, 0] for part in pool.split(data)]
    assert values == [64 * number for number in range(150)]
    small = DecoderPool(Limits(size=1, max_frames=100, timeout_s=PATIENCE_S))
    with pytest.raises(Undecodable) as caught:
        next(small.split(data))
    small.close()
    assert caught.value.code == "too_large"
    assert "at most 100" in caught.value.detail


def test_what_cannot_be_read_cannot_be_split(pool):
    for data, code in ((b"hello", "unsupported_format"), (dicom(FRAMES)[:-200], "truncated"), (b"", "empty_file")):
        with pytest.raises(Undecodable) as caught:
            next(pool.split(data))
        assert caught.value.code == code
