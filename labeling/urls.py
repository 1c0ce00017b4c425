"""Pages of uploading, labelling, reviewing and data sets."""

from django.urls import path

from labeling.agreement import views as agreement_views
from labeling.datasets.views import dataset, dataset_diff, dataset_list
from labeling.exports.views import export, export_discard, export_list, export_start
from labeling.imports.preview_views import upload_discard, upload_preview, upload_start
from labeling.imports.views import import_report, upload
from labeling.reading import doubt_views, label_views, many_views, review_views

urlpatterns = [
    path("projects/<int:pk>/upload/", upload, name="upload"),
    path("projects/<int:pk>/label/", label_views.label_next, name="label_next"),
    path("projects/<int:pk>/label/grid/", many_views.label_grid, name="label_grid"),
    path("projects/<int:pk>/label/grid/release/", many_views.grid_release, name="grid_release"),
    path("projects/<int:pk>/scans/bulk/", many_views.scan_bulk, name="scan_bulk"),
    path("projects/<int:pk>/review/", review_views.review, name="review"),
    path("projects/<int:pk>/review/many/", review_views.review_many, name="review_many"),
    path("projects/<int:pk>/doubts/", doubt_views.doubts, name="doubts"),
    path("projects/<int:pk>/adjudicate/", agreement_views.adjudication, name="adjudication"),
    path("projects/<int:pk>/agreement/", agreement_views.agreement, name="agreement"),
    path("projects/<int:pk>/readers/", agreement_views.reader_list, name="readers"),
    path("projects/<int:pk>/gold/", agreement_views.gold, name="gold"),
    path("projects/<int:pk>/datasets/", dataset_list, name="dataset_list"),
    path("datasets/<int:pk>/", dataset, name="dataset"),
    path("datasets/<int:pk>/diff/", dataset_diff, name="dataset_diff"),
    path("projects/<int:pk>/exports/", export_list, name="export_list"),
    path("projects/<int:pk>/exports/new/", export_start, name="export_start"),
    path("exports/<int:pk>/", export, name="export"),
    path("exports/<int:pk>/discard/", export_discard, name="export_discard"),
    path("uploads/<int:pk>/", upload_preview, name="upload_preview"),
    path("uploads/<int:pk>/start/", upload_start, name="upload_start"),
    path("uploads/<int:pk>/discard/", upload_discard, name="upload_discard"),
    path("imports/<int:pk>/", import_report, name="import"),
]
