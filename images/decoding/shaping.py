"""The size and colour model that every rendition has, whatever file it came from."""

from typing import Final

from PIL import Image, ImageChops

from images.decoding.facts import Facts
from images.decoding.whole import factor_of

RENDITION_SIDE: Final = 2048


def plain(im: Image.Image, facts: Facts) -> Image.Image:
    """An 8-bit image of any colour model as 'L' or 'RGB', without alpha; 'L' where all three channels agree."""
    if im.mode == "L":
        return im
    if im.mode == "CMYK":
        facts.notes.append("The colours were converted from CMYK.")
    if im.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        im = _on_black(im.convert("RGBA"), facts)
    red, green, blue = im.convert("RGB").split()
    same = not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(red, blue).getbbox())
    return red if same else im.convert("RGB")


def _on_black(im: Image.Image, facts: Facts) -> Image.Image:
    alpha = im.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return im
    facts.notes.append("Transparent parts of the picture are shown black.")
    flat = Image.new("RGB", im.size)
    flat.paste(im, mask=alpha)
    return flat


def fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size with the same shape whose longest side is at most `side`; never enlarged, never below 1."""
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def shrunk(im: Image.Image, facts: Facts | None = None) -> Image.Image:
    """The picture at less than twice RENDITION_SIDE, by whole factors: all derivatives are made from this one. For a viewer at
    full size, or what it can hold of that.

    That is quick, and saves memory before colours are converted.
    """
    factor = factor_of(im.size) if facts and facts.is_whole else max(im.size) // RENDITION_SIDE
    return im.reduce(factor) if factor > 1 else im


def fit(im: Image.Image, side: int, *, gap: float = 2.0) -> Image.Image:
    """The image at most `side` long. `gap`: see Pillow's resize(); 1 is quickest, and good enough for a thumbnail."""
    target = fitting(im.size, side)
    return im if target == im.size else im.resize(target, Image.Resampling.LANCZOS, reducing_gap=gap)
