"""Everything of this app to look at. Rows are append-only or written by services, so nothing here writes."""

from django.contrib import admin

from labeling import models
from mediscan_site.core.admin import ReadOnlyAdmin


@admin.register(models.Import)
class ImportAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "file_name", "status", "progress", "created_by", "created_at")
    list_filter = ("status",)
    list_select_related = ("project", "created_by")


@admin.register(models.ImportFile)
class ImportFileAdmin(ReadOnlyAdmin):
    list_display = ("id", "batch", "path", "outcome", "code", "image")
    list_filter = ("outcome",)
    list_select_related = ("batch", "image")


@admin.register(models.Label)
class LabelAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "label_class", "ungradable_reason", "reader", "round", "source", "annotation_date")
    list_filter = ("source",)
    list_select_related = ("image", "label_class", "reader")


@admin.register(models.Reference)
class ReferenceAdmin(ReadOnlyAdmin):
    list_display = ("image", "label")
    list_select_related = ("image", "label")


@admin.register(models.Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "status", "reviewer", "scan_version", "created_at")
    list_filter = ("status",)
    list_select_related = ("image", "reviewer")


@admin.register(models.Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "task", "seat", "holder", "expires_at")
    list_filter = ("task",)
    list_select_related = ("image", "holder")


@admin.register(models.Read)
class ReadAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "reader", "kind", "label", "against", "active", "waiting", "created_at")
    list_filter = ("kind",)
    list_select_related = ("image", "reader", "label", "against")


@admin.register(models.GoldScan)
class GoldScanAdmin(ReadOnlyAdmin):
    list_display = ("image", "marked_by", "marked_at")
    list_select_related = ("image", "marked_by")


@admin.register(models.LabelDoubt)
class LabelDoubtAdmin(ReadOnlyAdmin):
    list_display = ("image", "given", "suggested", "suggested_probability", "source")
    list_select_related = ("image", "given", "suggested")


@admin.register(models.LastDoubts)
class LastDoubtsAdmin(ReadOnlyAdmin):
    list_display = ("project", "at")
    list_select_related = ("project",)


@admin.register(models.KeptLabel)
class KeptLabelAdmin(ReadOnlyAdmin):
    list_display = ("image", "given", "suggested", "reviewer", "created_at")
    list_select_related = ("image", "given", "suggested", "reviewer")


@admin.register(models.QueueScore)
class QueueScoreAdmin(ReadOnlyAdmin):
    list_display = ("image", "score")
    list_select_related = ("image",)


@admin.register(models.SaidBy)
class SaidByAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "key", "reads")
    list_select_related = ("project",)


@admin.register(models.GroupSide)
class GroupSideAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "group", "side")
    list_filter = ("side",)
    list_select_related = ("project",)


@admin.register(models.Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ("code", "project", "grouping", "content_hash", "created_by", "created_at")
    list_select_related = ("project", "created_by")


@admin.register(models.SnapshotMember)
class SnapshotMemberAdmin(ReadOnlyAdmin):
    list_display = ("id", "snapshot", "image", "label_class", "split", "group")
    list_filter = ("split",)
    list_select_related = ("snapshot", "image", "label_class")


@admin.register(models.SnapshotLeftOut)
class SnapshotLeftOutAdmin(ReadOnlyAdmin):
    list_display = ("id", "snapshot", "image", "reason")
    list_filter = ("reason",)
    list_select_related = ("snapshot", "image")


@admin.register(models.ResumableUpload)
class ResumableUploadAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "file_name", "received", "size", "created_by", "updated_at")
    list_select_related = ("project", "created_by")


@admin.register(models.UploadPart)
class UploadPartAdmin(ReadOnlyAdmin):
    list_display = ("id", "upload", "offset", "blob")
    list_select_related = ("upload", "blob")


@admin.register(models.WatchedFile)
class WatchedFileAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "outcome", "code", "image", "seen_at")
    list_filter = ("outcome",)
    list_select_related = ("project", "image")


@admin.register(models.Export)
class ExportAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "snapshot", "status", "progress", "created_by", "created_at", "expires_at")
    list_filter = ("status",)
    list_select_related = ("project", "snapshot", "created_by")
