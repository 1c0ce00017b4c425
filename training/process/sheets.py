"""The contact sheet of a run, "this is what the network saw": drawn once at its start, kept encrypted."""

import io
import logging
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from mediscan_site.core import work
from models_registry.inference.preprocess import Pixels
from training.engine import contact
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.process.book import Book
from training.process.recorder import Recorder

log = logging.getLogger(__name__)

COLUMNS: Final = 6
# Small pictures are enlarged by whole pixels, larger ones brought down to this many.
CELL: Final = 128
GAP, MARGIN = 4, 72
GROUND, WRITING = (13, 18, 22), (208, 216, 222)
LETTERS: Final = 15
ROWS: Final = ("as it is", "changed")
# Photographs of noise gain nothing from a slower one.
COMPRESSION: Final = 3


def keep(recorder: Recorder, book: Book, data: TrainData, config: TrainConfig, images: tuple[int, ...]) -> None:
    """Draw the sheet and keep it with the run, unless it has one. `images`: the scan of each of the training's inputs."""
    if recorder.has_inputs_sheet():
        return
    try:
        shown = contact.chosen(data.train_labels, data.n_classes, config)
        picture = drawn(*contact.before_and_after(data.train_tiles[shown], config))
        recorder.inputs_sheet(picture, {images[index] for index in shown.tolist()})
        book.inputs_sheet(picture)
    except work.Stopped:
        raise
    except Exception:
        # Something to look at: the run goes on without it.
        log.exception("No contact sheet of %s", recorder.run.code)


def drawn(before: Pixels, after: Pixels) -> bytes:
    """PNG: rows of pictures as they are, each above a row of the same ones as they were changed."""
    scale = max(1, CELL // before.shape[1])
    cell = before.shape[1] * scale if before.shape[1] <= CELL else CELL
    strips = -(-len(before) // COLUMNS)
    size = MARGIN + COLUMNS * (cell + GAP), GAP + strips * (2 * cell + 3 * GAP)
    sheet = Pillow.new("RGB", size, GROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    for strip in range(strips):
        some = slice(strip * COLUMNS, (strip + 1) * COLUMNS)
        for row, pixels in enumerate((before, after)):
            top = GAP + strip * (2 * cell + 3 * GAP) + row * (cell + GAP)
            pen.text((GAP, top + cell // 2 - LETTERS // 2), ROWS[row], WRITING, font)
            for column, one in enumerate(pixels[some]):
                sheet.paste(_picture(one, cell), (MARGIN + column * (cell + GAP), top))
    target = io.BytesIO()
    sheet.save(target, "PNG", compress_level=COMPRESSION)
    return target.getvalue()


def _picture(one: Pixels, cell: int) -> Pillow.Image:
    """Two windows are shown as red against green and blue."""
    rgb = one if one.ndim == 2 else one[:, :, [0, 1, min(2, one.shape[2] - 1)]]
    picture = Pillow.fromarray(np.ascontiguousarray(rgb)).convert("RGB")
    smaller = cell < one.shape[0]
    return picture.resize((cell, cell), Pillow.Resampling.BOX if smaller else Pillow.Resampling.NEAREST)
