"""Everything of this app to look at. Changes go through the services, so nothing here writes."""

from django.contrib import admin

from images import models
from mediscan_site.core.admin import ReadOnlyAdmin


@admin.register(models.Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "modality", "four_eyes", "created_at")
    search_fields = ("name",)


@admin.register(models.ProjectUserObjectPermission)
class ProjectUserObjectPermissionAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "permission", "content_object")
    list_select_related = ("user", "permission__content_type", "content_object")


@admin.register(models.ProjectGroupObjectPermission)
class ProjectGroupObjectPermissionAdmin(ReadOnlyAdmin):
    list_display = ("id", "group", "permission", "content_object")
    list_select_related = ("group", "permission__content_type", "content_object")


@admin.register(models.Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "user", "added_by", "added_at")
    list_select_related = ("project", "user", "added_by")


@admin.register(models.ProjectClass)
class ProjectClassAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "position", "name", "retired_at")
    list_select_related = ("project",)


@admin.register(models.Image)
class ImageAdmin(ReadOnlyAdmin):
    list_display = (
        "code",
        "project",
        "file_name",
        "label_status",
        "approval_status",
        "split",
        "upload_date",
        "erased_at",
    )
    list_filter = ("label_status", "approval_status", "split")
    list_select_related = ("project",)


@admin.register(models.FrameChoice)
class FrameChoiceAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "frames", "source", "chosen_by", "chosen_at")
    list_select_related = ("image", "chosen_by")


@admin.register(models.Rendition)
class RenditionAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "kind", "blob")
    list_select_related = ("image", "blob")


@admin.register(models.Metadata)
class MetadataAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "body_part", "view", "laterality", "capture_date")
    list_select_related = ("image",)


@admin.register(models.Deidentification)
class DeidentificationAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "profile", "created_at")
    list_select_related = ("image",)


@admin.register(models.PatientIdentity)
class PatientIdentityAdmin(ReadOnlyAdmin):
    """Shows that there is a way back; taking it is a right of its own, and audited."""

    list_display = ("id", "project", "pseudonym", "created_at")
    list_select_related = ("project",)
    exclude = ("sealed",)


@admin.register(models.NearDuplicate)
class NearDuplicateAdmin(ReadOnlyAdmin):
    list_display = ("id", "first", "second", "distance", "correlation", "found_at")
    list_select_related = ("first", "second")


@admin.register(models.PatientMerge)
class PatientMergeAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "source", "target", "merged_by", "merged_at")
    list_select_related = ("project", "merged_by")


@admin.register(models.MixedStudy)
class MixedStudyAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "study")
    list_select_related = ("project",)


@admin.register(models.GuideExample)
class GuideExampleAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "label_class", "image", "added_by")
    list_select_related = ("project", "label_class", "image", "added_by")


@admin.register(models.Tag)
class TagAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "name")
    list_select_related = ("project",)


@admin.register(models.ImageTag)
class ImageTagAdmin(ReadOnlyAdmin):
    list_display = ("id", "image", "tag", "tagged_by", "tagged_at")
    list_select_related = ("image", "tag", "tagged_by")


@admin.register(models.SavedFilter)
class SavedFilterAdmin(ReadOnlyAdmin):
    """Whose they are, and no more: a filter may name a patient."""

    list_display = ("id", "user", "project")
    list_select_related = ("user", "project")


@admin.register(models.ScanTotal, models.ScanChange)
class ScanNumbersAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "label_status", "approval_status", "label_class", "split", "hold", "number")


@admin.register(models.TagTotal, models.TagChange)
class TagNumbersAdmin(ReadOnlyAdmin):
    list_display = ("id", "tag", "number")


@admin.register(models.ActivityTotal, models.ActivityChange)
class ActivityNumbersAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "project", "quarter", "person", "number")
