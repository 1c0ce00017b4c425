"""What doctors say a scan is: imports, labels, reviews, the queue, and frozen data sets."""

from labeling.models.datasets import Export, Grouping, GroupSide, Snapshot, SnapshotLeftOut, SnapshotMember
from labeling.models.intake import Import, ImportFile, ResumableUpload, UploadPart, WatchedFile
from labeling.models.reading import (
    Decision,
    KeptLabel,
    Label,
    LabelDoubt,
    LastDoubts,
    Lease,
    QueueScore,
    Reference,
    Review,
    SaidBy,
)
from labeling.models.reads import GoldScan, Read

__all__ = [
    "Decision",
    "Export",
    "GoldScan",
    "GroupSide",
    "Grouping",
    "Import",
    "ImportFile",
    "KeptLabel",
    "Label",
    "LabelDoubt",
    "LastDoubts",
    "Lease",
    "QueueScore",
    "Read",
    "Reference",
    "ResumableUpload",
    "Review",
    "SaidBy",
    "Snapshot",
    "SnapshotLeftOut",
    "SnapshotMember",
    "UploadPart",
    "WatchedFile",
]
