"""Runs and their epochs to look at. They are started and cancelled through the services."""

from django.contrib import admin

from mediscan_site.core.admin import ReadOnlyAdmin
from training.models import EpochMetrics, TrainingRun


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = ("code", "project", "status", "progress", "created_by", "created_at", "finished_at")
    list_filter = ("status",)
    list_select_related = ("project", "created_by")


@admin.register(EpochMetrics)
class EpochMetricsAdmin(ReadOnlyAdmin):
    list_display = ("run", "epoch", "phase", "at")
    list_select_related = ("run",)
