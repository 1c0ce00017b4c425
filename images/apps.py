from django.apps import AppConfig
from django.conf import settings

from images.decoding import configure


class ImagesConfig(AppConfig):
    name = "images"

    def ready(self) -> None:
        # They register what is removed with an erased scan, what a key rotation renews, and what is counted.
        from images import counts  # noqa: F401
        from images.services import duplicates, identities  # noqa: F401

        configure(
            size=settings.DECODER_PROCESSES,
            timeout_s=settings.DECODER_TIMEOUT_S,
            max_pixels=settings.MAX_SCAN_PIXELS,
            max_bytes=settings.MAX_SCAN_BYTES,
            max_frames=settings.MAX_SCAN_FRAMES,
        )
