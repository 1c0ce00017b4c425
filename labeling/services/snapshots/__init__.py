"""Freezing a data set: `candidates` decides what would be in it, `freezing` writes it down."""

from labeling.services.snapshots.freezing import freeze_snapshot

__all__ = ["freeze_snapshot"]
