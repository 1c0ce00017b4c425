"""The use cases of labelling. Each authorises on its first line."""

from labeling.services.doubts import keep_label
from labeling.services.intake import start_folder_import, start_import, upload_scan
from labeling.services.labels import LabelOutcome, label_scan, mark_ungradable, parse_class, withdraw_label
from labeling.services.queue import claim_scans, release_scans
from labeling.services.reviews import ReviewResult, review_many, review_scan
from labeling.services.snapshots import freeze_snapshot
from labeling.services.uploads import give_up_upload, receive_part, start_upload

__all__ = [
    "LabelOutcome",
    "ReviewResult",
    "claim_scans",
    "freeze_snapshot",
    "give_up_upload",
    "keep_label",
    "label_scan",
    "mark_ungradable",
    "parse_class",
    "receive_part",
    "release_scans",
    "review_many",
    "review_scan",
    "start_folder_import",
    "start_import",
    "start_upload",
    "upload_scan",
    "withdraw_label",
]
