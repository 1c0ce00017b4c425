"""Pages of labelling, by use."""

from labeling.views.datasets import dataset, dataset_diff, dataset_list
from labeling.views.doubting import doubts
from labeling.views.exports import export, export_discard, export_list, export_start
from labeling.views.intake import import_report, upload
from labeling.views.reading import label_next
from labeling.views.reviewing import review, review_many

__all__ = [
    "dataset",
    "dataset_diff",
    "dataset_list",
    "doubts",
    "export",
    "export_discard",
    "export_list",
    "export_start",
    "import_report",
    "label_next",
    "review",
    "review_many",
    "upload",
]
