"""The API's routes, `/api/v1/`: every app's view sets under the protocol's names."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from labeling.agreement.api import ProjectReadersViewSet
from labeling.exports.api import ExportViewSet
from labeling.imports.api import ImportViewSet
from labeling.imports.upload_api import UploadViewSet
from labeling.reading.api import LabelViewSet, QueueViewSet
from mediscan_site.core.api import LogoutView, TokenObtainView, TokenRefreshView
from mediscan_site.front.dataset_api import ReadCountDatasetViewSet
from mediscan_site.front.messages.api import MessageViewSet
from mediscan_site.front.people.api import InvitingUserViewSet
from mediscan_site.front.scan_api import TimelineScanViewSet
from mediscan_site.front.trail_api import AuditViewSet, EventViewSet
from models_registry.acceptance.api import AcceptanceTestViewSet
from models_registry.api import (
    DeploymentViewSet,
    EvaluationViewSet,
    FeedbackViewSet,
    GradeReviewViewSet,
    GradeViewSet,
    HistoryViewSet,
    ModelViewSet,
)
from models_registry.batches.api import GradeBatchViewSet
from models_registry.watch.api import AlarmViewSet, BlindReadViewSet, WatchViewSet
from models_registry.worklists.api import ReferralViewSet
from training.api import TrainingRunViewSet

router = SimpleRouter()
router.register("users", InvitingUserViewSet, basename="user")
router.register("projects", ProjectReadersViewSet, basename="project")
router.register("images", TimelineScanViewSet, basename="image")
router.register("imports", ImportViewSet, basename="import")
router.register("uploads", UploadViewSet, basename="upload")
router.register("exports", ExportViewSet, basename="export")
router.register("labels", LabelViewSet, basename="label")
router.register("reviews", GradeReviewViewSet, basename="review")
router.register("queue", QueueViewSet, basename="queue")
router.register("datasets", ReadCountDatasetViewSet, basename="dataset")
router.register("training-runs", TrainingRunViewSet, basename="training-run")
router.register("models", ModelViewSet, basename="model")
router.register("evaluations", EvaluationViewSet, basename="evaluation")
router.register("deployments", DeploymentViewSet, basename="deployment")
router.register("grades", GradeViewSet, basename="grade")
router.register("grade-batches", GradeBatchViewSet, basename="grade-batch")
router.register("referrals", ReferralViewSet, basename="referral")
router.register("feedback", FeedbackViewSet, basename="feedback")
router.register("history", HistoryViewSet, basename="history")
router.register("acceptance-tests", AcceptanceTestViewSet, basename="acceptance-test")
router.register("watches", WatchViewSet, basename="watch")
router.register("alarms", AlarmViewSet, basename="alarm")
router.register("blind-reads", BlindReadViewSet, basename="blind-read")
router.register("messages", MessageViewSet, basename="message")
router.register("audit", AuditViewSet, basename="audit")
router.register("events", EventViewSet, basename="event")

urlpatterns = [
    path("auth/token/", TokenObtainView.as_view(), name="token-obtain"),
    path("auth/token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/logout/", LogoutView.as_view(), name="token-logout"),
    path("", include(router.urls)),
]
