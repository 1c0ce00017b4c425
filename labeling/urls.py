"""Pages of uploading, labelling, reviewing and data sets."""

from django.urls import path

from labeling import views

urlpatterns = [
    path("projects/<int:pk>/upload/", views.upload, name="upload"),
    path("projects/<int:pk>/label/", views.label_next, name="label_next"),
    path("projects/<int:pk>/review/", views.review, name="review"),
    path("projects/<int:pk>/review/many/", views.review_many, name="review_many"),
    path("projects/<int:pk>/doubts/", views.doubts, name="doubts"),
    path("projects/<int:pk>/datasets/", views.dataset_list, name="dataset_list"),
    path("datasets/<int:pk>/", views.dataset, name="dataset"),
    path("datasets/<int:pk>/diff/", views.dataset_diff, name="dataset_diff"),
    path("projects/<int:pk>/exports/", views.export_list, name="export_list"),
    path("projects/<int:pk>/exports/new/", views.export_start, name="export_start"),
    path("exports/<int:pk>/", views.export, name="export"),
    path("exports/<int:pk>/discard/", views.export_discard, name="export_discard"),
    path("imports/<int:pk>/", views.import_report, name="import"),
]
