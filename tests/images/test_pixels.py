"""The pixels of a scan at full size, as the viewer asks for them: the file's own values, and one opening a look."""

import io
import json
import zlib

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image as Picture
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut

from images.models import Image, Rendition, RenditionKind
from images.services import ScanFacts, store_scan, update_scan
from mediscan_site.core.models import AuditEvent
from tests.images.decoding.dicoms import dicom, written
from tests.images.decoding.test_colours import with_palette

RAMP = np.add.outer(np.arange(40) * 90, np.arange(60) * 7)
NOISE = np.random.default_rng(4).integers(0, 2**16, (300, 200), np.uint16)
COLOURS = np.random.default_rng(5).integers(0, 255, (30, 50, 3), np.uint8)
pytestmark = pytest.mark.django_db


def take(actor, project, data: bytes, name: str = "a.dcm") -> Image:
    return store_scan(actor=actor, project=project, source=io.BytesIO(data), file_name=name, facts=ScanFacts())[0]


@pytest.fixture
def ask(client, author):
    client.force_login(author)

    def get(image: Image, **query):
        answer = client.get(
            reverse("image-pixels", kwargs={"pk": image.pk}), query, headers={"Accept-Encoding": "gzip"}
        )
        assert answer.status_code == 200, answer.content
        return json.loads(answer["Pixel-Facts"]), answer

    return get


def unpacked(facts, body: bytes) -> np.ndarray:
    """As docs/integrating.md says."""
    low, high = np.frombuffer(body, np.uint8).reshape(2, facts["rows"], facts["columns"]).astype(np.uint16)
    zigzag = low | high << 8
    return np.cumsum((zigzag >> 1) ^ -(zigzag & 1), axis=1, dtype=np.uint16)


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        (NOISE, {}),
        (
            RAMP.astype(np.uint16),
            {"BitsStored": 12, "RescaleSlope": "1", "RescaleIntercept": "-1024", "Modality": "CT"},
        ),
        (RAMP.astype(np.int16) - 1000, {"RescaleSlope": "0.5", "RescaleIntercept": "3"}),
        (
            RAMP.astype(np.uint16),
            {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": "900", "WindowWidth": "400"},
        ),
    ],
)
def test_pixels_of_a_deep_file_stand_for_what_pydicom_reads(project, author, ask, values, tags):
    data = dicom(values, **tags)
    facts, answer = ask(take(author, project, data))
    assert (facts["kind"], facts["columns"], facts["rows"]) == ("grey16", values.shape[1], values.shape[0])
    pixels = unpacked(facts, zlib.decompress(answer.content, 31))
    source = dcmread(io.BytesIO(data))
    expected = apply_modality_lut(source.pixel_array, source)
    assert np.array_equal(pixels * facts["slope"] + facts["intercept"], expected)
    black, white = facts["window"]
    assert (black > white) == (tags.get("PhotometricInterpretation") == "MONOCHROME1")


def test_colours_and_palettes_come_as_a_picture_of_full_size(project, author, ask):
    facts, answer = ask(take(author, project, dicom(COLOURS)))
    assert (facts["kind"], answer["Content-Type"]) == ("rgb8", "image/png")
    assert np.array_equal(np.asarray(Picture.open(io.BytesIO(answer.content))), COLOURS)
    entries = [np.random.default_rng(channel).integers(0, 256, 256).astype(np.uint16) * 257 for channel in range(3)]
    indexed = with_palette(entries, [256, 0, 16], (RAMP % 256).astype(np.uint8))
    facts, answer = ask(take(author, project, written(indexed), "palette.dcm"))
    expected = np.stack([entry[RAMP % 256] for entry in entries], axis=-1) >> 8
    assert np.array_equal(np.asarray(Picture.open(io.BytesIO(answer.content)).convert("RGB")), expected)
    large = io.BytesIO()
    Picture.new("L", (4200, 30), 90).save(large, "JPEG")
    facts, answer = ask(take(author, project, large.getvalue(), "large.jpg"))
    assert (facts["kind"], facts["columns"], facts["rows"], facts["file_columns"]) == ("grey8", 4200, 30, 4200)
    assert Picture.open(io.BytesIO(answer.content)).size == (4200, 30)


def test_pixels_carry_windows_padding_spacing_and_their_true_shape(project, author, ask):
    values = np.where(RAMP > 3000, 63536, RAMP).astype(np.uint16)
    tags = {"WindowCenter": [40, -600], "WindowWidth": [400, 1500], "WindowCenterWidthExplanation": ["SOFT", "LUNG"]}
    image = take(
        author, project, dicom(values, Modality="CT", PixelPaddingValue=63536, PixelSpacing=[0.5, 0.25], **tags)
    )
    facts, _ = ask(image)
    assert [row["name"] for row in facts["windows"]] == ["SOFT", "LUNG"] and facts["windows"][1]["width"] == 1500
    assert facts["padding"] == [63536, 63536]
    assert facts["spacing"] == {"source": "PixelSpacing", "row": 0.5, "column": 0.25, "at": "patient"}
    assert facts["aspect"] == pytest.approx(2)
    update_scan(actor=author, image=image, changes={"pixel_spacing": "0.3"})
    assert ask(image)[0]["spacing"]["row"] == 0.3, "what a person corrected counts"


def test_a_look_at_a_scan_and_its_frames_is_one_opening(project, author, colleague, client, ask):
    frames = np.stack([RAMP + 500 * number for number in range(3)]).astype(np.uint16)
    image = take(author, project, dicom(frames))
    ask(image, same=True)
    ask(image, frame=2, same=True)
    second, answer = ask(image, frame=3, same=True)
    assert np.array_equal(unpacked(second, zlib.decompress(answer.content, 31)), frames[2])
    opened = AuditEvent.objects.filter(action="scan.open", object_id=str(image.pk))
    assert opened.count() == 1, "the first one, though it said that it is more of the same"
    ask(image)
    assert opened.count() == 2
    client.get(reverse("image-thumbnail", kwargs={"pk": image.pk}))
    assert opened.count() == 2
    assert Rendition.objects.filter(image=image, kind=RenditionKind.PIXELS).count() == 3
    url = reverse("image-pixels", kwargs={"pk": image.pk})
    assert client.get(url, {"frame": 4}).status_code == 404
    plain = client.get(url)
    assert "Content-Encoding" not in plain and len(plain.content) == 2 * RAMP.size, "whoever undoes no gzip gets none"
