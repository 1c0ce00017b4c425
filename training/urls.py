"""Pages of training runs."""

from django.urls import path

from training import views

urlpatterns = [
    path("projects/<int:pk>/training/", views.training, name="training"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/<int:pk>/cancel/", views.cancel, name="run_cancel"),
]
