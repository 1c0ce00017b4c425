"""Untrusted image files in, safe pixels out: a pool of resource-limited decoder processes. Pure Python, no Django."""

from images.decoding.errors import DecoderUnavailableError, Undecodable
from images.decoding.formats import CONTENT_TYPES, SNIFF_BYTES, sniff
from images.decoding.pool import DecoderPool, Limits, configure, default_pool
from images.decoding.result import Decoded

__all__ = [
    "CONTENT_TYPES",
    "SNIFF_BYTES",
    "Decoded",
    "DecoderPool",
    "DecoderUnavailableError",
    "Limits",
    "Undecodable",
    "configure",
    "default_pool",
    "sniff",
]
