"""The picture that shows what spoke for an answer: made by the worker after a grade, stored encrypted."""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from django.db import transaction
from PIL import Image as Pillow

from images.models import Image, RenditionKind
from images.renditions import ensure
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs
from models_registry.models import Grade, ModelVersion
from models_registry.versions import reading, serving

PNG: Final = "image/png"
MOST_OPAQUE: Final = 0.65
# Dark blue over magenta to yellow: distinguishable without red and green. Columns: where, red, green, blue.
COLOURS: Final = np.array(
    [[0.0, 13, 8, 135], [0.25, 126, 3, 168], [0.5, 204, 71, 120], [0.75, 248, 149, 64], [1.0, 240, 249, 33]]
)


def overlay(heat: npt.NDArray[np.float32]) -> bytes:
    """(H, W) in 0..1 → PNG with alpha, to be laid over the scan: transparent where nothing spoke for the class."""
    rgb = [np.interp(heat, COLOURS[:, 0], COLOURS[:, channel]) for channel in (1, 2, 3)]
    alpha = heat * MOST_OPAQUE * 255
    pixels = np.stack([*rgb, alpha], axis=-1).round().astype(np.uint8)
    target = io.BytesIO()
    Pillow.fromarray(pixels, "RGBA").save(target, "PNG", optimize=True)
    return target.getvalue()


def draw(grade: Grade) -> Blob:
    """The heat map of a succeeded grade, at the scan's own shape, made now if it has none; of two drawn at once the first stays.
    Of a scan of several frames it is of the one that is shown.

    Raises serving.BundleDamaged, and DamagedObject when the scan is damaged.
    """
    if grade.heatmap:
        return grade.heatmap
    if grade.prediction_id is None:
        raise NotFound("This grade has no answer, so there is nothing to show.")
    drawn = picture(grade.model, grade.image, grade.prediction_id, grade.worst_frame or 0)
    blob = blobs.write(drawn, namespace=blobs.namespace(grade.project_id), content_type=PNG)
    with blobs.discarded_on_failure(blob), transaction.atomic():
        # An erased scan takes its heat maps along. Its erasure holds this row too: none may appear after it.
        there = Image.objects.select_for_update().filter(pk=grade.image_id, erased_at__isnull=True)
        missing = Grade.objects.filter(pk=grade.pk, heatmap__isnull=True, image__in=list(there))
        blob.save(force_insert=True)
        stored = missing.update(heatmap=blob)
        if not stored:
            transaction.set_rollback(True)
    if stored:
        return blob
    blobs.discard(blob)
    return _drawn_by_another(grade)


def picture(model: ModelVersion, image: Image, class_id: int, frame: int = 0) -> bytes:
    """What spoke for a class on a scan, as `overlay` draws it. Raises as `draw` does."""
    from models_registry.inference.heat import on_scan

    index = [entry["id"] for entry in model.classes].index(class_id)
    predictor = serving.predictor(model)
    given = reading.one(predictor, image, frame)
    width, height = _shape(image, frame) if given.pixels is None else (given.width, given.height)
    return overlay(on_scan(predictor.heatmap(given.seen.copy(), index), predictor.manifest.preprocess, width, height))


def _shape(image: Image, frame: int) -> tuple[int, int]:
    """As pages show the scan, or a frame of it: where its pixels are no squares, its file has another shape, and so may a page."""
    data = blobs.read(ensure(image, RenditionKind.THUMBNAIL, frame))
    with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as thumbnail:
        shown = thumbnail.size
    scale = max(shown) / max(image.width, image.height)
    alike = all(abs(side * scale - seen) <= 1 for side, seen in zip((image.width, image.height), shown, strict=True))
    return (image.width, image.height) if alike else shown


def _drawn_by_another(grade: Grade) -> Blob:
    heatmap = Grade.objects.select_related("heatmap").get(pk=grade.pk).heatmap
    if heatmap is None:
        raise NotFound("The scan was erased, and its heat map with it.")
    return heatmap
