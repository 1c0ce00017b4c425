"""The registry in Django's admin: to look at, never to change. What changes it are the services."""

from django.contrib import admin

from mediscan_site.core.admin import ReadOnlyAdmin
from models_registry.models import (
    AnswerSummary,
    DeployedModel,
    Deployment,
    Evaluation,
    Feedback,
    Grade,
    ModelVersion,
)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("code", "name", "version", "project", "training_date", "mirrored_at")
    list_filter = ("project", "architecture")
    list_select_related = ("project",)


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    list_display = ("id", "model", "snapshot", "origin", "status", "test_reads", "created_at")
    list_filter = ("status", "origin")
    list_select_related = ("model", "snapshot")


@admin.register(AnswerSummary)
class AnswerSummaryAdmin(ReadOnlyAdmin):
    list_display = ("id", "evaluation", "name", "answers", "asked_at")
    list_select_related = ("evaluation",)


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "model", "kind", "deployed_by", "created_at", "override_reason")
    list_filter = ("project", "kind")
    list_select_related = ("project", "model", "deployed_by")


@admin.register(DeployedModel)
class DeployedModelAdmin(ReadOnlyAdmin):
    list_display = ("project", "deployment")
    list_select_related = ("project", "deployment__model")


@admin.register(Grade)
class GradeAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "image", "model", "status", "prediction", "decision", "created_at")
    list_filter = ("project", "status", "decision")
    list_select_related = ("project", "image", "model", "prediction")


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ("id", "grade", "author", "correct", "correct_class", "held_for_admin", "created_at")
    list_filter = ("correct", "held_for_admin")
    list_select_related = ("grade", "author", "correct_class")
