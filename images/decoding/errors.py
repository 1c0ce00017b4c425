"""What can go wrong: with the file, in a sentence for the doctor per code, and with the decoder itself."""

from typing import Final

DETAILS: Final[dict[str, str]] = {
    "empty_file": "The file is empty. Export the scan again and upload the new file.",
    "unsupported_format": "Files of this kind are not supported. Export the scan as a plain PNG and upload that file.",
    "truncated": "The file ends too early: a part of the picture is missing. Export the scan again and upload it.",
    "corrupt": "The picture cannot be read: the file is damaged or of a rare kind. Export the scan as a plain PNG.",
    "too_large": "The picture is too large to be read safely. Export the scan at a smaller size and upload that file.",
    "decoder_timeout": "Reading the picture took too long. Export the scan as a plain PNG or JPEG and upload that.",
    "decoder_crashed": (
        "The picture could not be read because the decoder stopped. Upload it once more; if it happens again, "
        "export the scan as a plain PNG or JPEG."
    ),
    "no_picture": (
        "This DICOM file holds no picture: it may be a treatment plan, a report or an index. "
        "Upload the image files of the study."
    ),
    "does_not_exist": "The file has no such frame or page.",
}


class Undecodable(Exception):
    """A file that gives no picture: `code` is a key of DETAILS, `detail` one or two sentences that say what to do."""

    def __init__(self, code: str, detail: str | None = None) -> None:
        self.code = code
        self.detail = detail or DETAILS[code]
        super().__init__(code, self.detail)

    def __str__(self) -> str:
        return self.detail


class DecoderUnavailableError(Exception):
    """No decoder process can be started at the moment (memory, processes): nothing is said about the file."""


def too_many_pixels(width: int, height: int, max_pixels: int) -> Undecodable:
    """The error for a picture whose header announces more pixels than are allowed."""
    return Undecodable(
        "too_large",
        f"The picture has {width} × {height} pixels; at most {max_pixels / 1e6:g} million are accepted. "
        "Export the scan at a smaller size and upload that file.",
    )


def no_frame(asked: int, there: int) -> Undecodable:
    """The error where a frame or page was asked for that the file does not have."""
    return Undecodable("does_not_exist", f"There is no frame or page {asked}: the scan has {there}, counted from 1.")


def too_many_bytes(size: int, max_bytes: int) -> Undecodable:
    """The error for a file that has more bytes than are allowed."""
    return Undecodable(
        "too_large",
        f"The file has {size / 2**20:.1f} MiB; at most {max_bytes / 2**20:g} MiB are accepted. "
        "Export the scan at a smaller size and upload that file.",
    )
