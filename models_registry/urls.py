"""Pages of models, deployments and grades."""

from django.urls import path

from models_registry import views

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
    path("history/", views.history, name="history"),
]
