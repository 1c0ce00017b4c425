"""Pages of models, deployments and grades."""

from django.urls import path

from models_registry import views
from models_registry.batches import views as batches
from models_registry.worklists import views as worklists

urlpatterns = [
    path("projects/<int:pk>/models/", views.model_list, name="model_list"),
    path("projects/<int:pk>/rollback/", views.rollback, name="rollback"),
    path("projects/<int:pk>/grade/", views.grade, name="grade"),
    path("models/<int:pk>/", views.model, name="model"),
    path("models/<int:pk>/graph/", views.graph, name="model_graph"),
    path("models/<int:pk>/deploy/", views.deploy, name="deploy"),
    path("models/<int:pk>/evaluate/", views.evaluate, name="evaluate"),
    path("grades/<int:pk>/", views.grade_detail, name="grade_detail"),
    path("grades/<int:pk>/feedback/", views.feedback, name="feedback"),
    path("projects/<int:pk>/referrals/", worklists.referrals, name="referrals"),
    path("projects/<int:pk>/referrals/unskip/", worklists.referrals_unskip, name="referrals_unskip"),
    path("referrals/<int:pk>/", worklists.referral, name="referral"),
    path("referrals/<int:pk>/read/", worklists.referral_read, name="referral_read"),
    path("referrals/<int:pk>/skip/", worklists.referral_skip, name="referral_skip"),
    path("projects/<int:pk>/grade-batches/", batches.grade_batches, name="grade_batches"),
    path("projects/<int:pk>/grade-batches/start/", batches.grade_batch_start, name="grade_batch_start"),
    path("grade-batches/<int:pk>/", batches.grade_batch, name="grade_batch"),
    path("grade-batches/<int:pk>/cancel/", batches.grade_batch_cancel, name="grade_batch_cancel"),
    path("history/", views.history, name="history"),
]
