"""Pages of models, deployments and grades."""

from django.urls import path

from models_registry import views
from models_registry.acceptance import views as acceptance
from models_registry.batches import views as batches
from models_registry.browsing import views as browsing
from models_registry.watch import views as watch
from models_registry.worklists import views as worklists

urlpatterns = [
    path("projects/<int:pk>/models/", views.model_list, name="model_list"),
    path("projects/<int:pk>/rollback/", views.rollback, name="rollback"),
    path("projects/<int:pk>/grade/", views.grade, name="grade"),
    path("models/<int:pk>/", views.model, name="model"),
    path("models/<int:pk>/errors/", browsing.errors, name="model_errors"),
    path("models/<int:pk>/errors/heat/", browsing.heat_maps, name="model_heat_maps"),
    path("answers/<int:pk>/heatmap/", browsing.heat_map, name="answer_heatmap"),
    path("models/<int:pk>/card/", browsing.card, name="model_card"),
    path("projects/<int:pk>/models/compare/", browsing.compare, name="model_compare"),
    path("models/<int:pk>/graph/", views.graph, name="model_graph"),
    path("models/<int:pk>/deploy/", views.deploy, name="deploy"),
    path("models/<int:pk>/evaluate/", views.evaluate, name="evaluate"),
    path("grades/<int:pk>/", views.grade_detail, name="grade_detail"),
    path("grades/<int:pk>/feedback/", views.feedback, name="feedback"),
    path("grades/<int:pk>/first-read/", views.read_first, name="read_first"),
    path("grades/<int:pk>/settle/", views.settle, name="settle"),
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
    path("projects/<int:pk>/acceptance/", acceptance.test_list, name="acceptance_list"),
    path("acceptance/<int:pk>/", acceptance.acceptance, name="acceptance"),
    path("acceptance/<int:pk>/draw/", acceptance.draw, name="acceptance_draw"),
    path("acceptance/<int:pk>/decide/", acceptance.decide, name="acceptance_decide"),
    path("models/<int:pk>/watching/", watch.watching, name="watching"),
    path("models/<int:pk>/watching/look/", watch.look, name="watching_look"),
    path("alarms/<int:pk>/decide/", watch.decide_alarm, name="alarm_decide"),
    path("projects/<int:pk>/blind-reads/", watch.blind_reads, name="blind_reads"),
    path("projects/<int:pk>/blind-reads/claim/", watch.claim_read, name="blind_read_claim"),
    path("projects/<int:pk>/blind-reads/release/", watch.release_read, name="blind_read_release"),
    path("blind-reads/<int:pk>/read/", watch.read, name="blind_read_read"),
]
