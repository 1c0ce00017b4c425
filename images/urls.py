"""Pages of projects and their scans."""

from django.urls import path

from images import guide_views, list_views, views

urlpatterns = [
    path("projects/new/", views.project_create, name="project_create"),
    path("projects/<int:pk>/settings/", views.project_settings, name="project_settings"),
    path("projects/<int:pk>/classes/", views.class_add, name="class_add"),
    path("projects/<int:pk>/classes/<int:class_pk>/rename/", views.class_rename, name="class_rename"),
    path("projects/<int:pk>/classes/<int:class_pk>/retire/", views.class_retire, name="class_retire"),
    path("projects/<int:pk>/members/", views.project_members, name="project_members"),
    path("projects/<int:pk>/members/remove/", views.member_remove, name="member_remove"),
    path("projects/<int:pk>/members/role/", views.member_role, name="member_role"),
    path("projects/<int:pk>/rights/", views.member_right, name="member_right"),
    path("projects/<int:pk>/merge-patients/", views.merge_patients, name="merge_patients"),
    path("projects/<int:pk>/erase-patient/", views.erase_patient, name="erase_patient"),
    path("projects/<int:pk>/reidentify/", views.reidentify, name="reidentify"),
    path("projects/<int:pk>/guide/", guide_views.guide, name="guide"),
    path("guide-examples/<int:pk>/remove/", guide_views.guide_example_remove, name="guide_example_remove"),
    path("scans/<int:pk>/example/", guide_views.guide_example, name="guide_example"),
    path("projects/<int:pk>/scans/", list_views.scan_list, name="scan_list"),
    path("projects/<int:pk>/tags/", list_views.tag_list, name="tag_list"),
    path("projects/<int:pk>/tags/<int:tag_pk>/rename/", list_views.tag_rename, name="tag_rename"),
    path("projects/<int:pk>/tags/<int:tag_pk>/delete/", list_views.tag_delete, name="tag_delete"),
    path("scans/<int:pk>/look/", list_views.scan_look, name="scan_look"),
    path("scans/<int:pk>/tags/", list_views.scan_tags, name="scan_tags"),
    path("filters/", list_views.filter_save, name="filter_save"),
    path("filters/<int:pk>/delete/", list_views.filter_delete, name="filter_delete"),
    path("filters/<int:pk>/share/", list_views.filter_share, name="filter_share"),
    path("scans/<int:pk>/study/", views.study, name="study"),
    path("scans/<int:pk>/beside/", views.scan_beside, name="scan_beside"),
    path("scans/<int:pk>/frames/", views.scan_frames, name="scan_frames"),
    path("scans/<int:pk>/release/", views.scan_release, name="scan_release"),
]
