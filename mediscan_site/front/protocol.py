"""The names of the seed, mounted under /api/ on the same views. A table and nothing else."""

from django.urls import re_path

from images.api import ProjectViewSet
from mediscan_site.front.scan_api import ScanViewSet
from mediscan_site.front.seed import ApproveViewSet, EvaluateViewSet, SeedScanViewSet, UploadViewSet
from models_registry.api import FeedbackViewSet, GradeViewSet, HistoryViewSet, ModelViewSet
from training.api import TrainingRunViewSet

ID = r"(?P<pk>[A-Za-z0-9]+)"

urlpatterns = [
    re_path(r"^upload/?$", UploadViewSet.as_view({"post": "create"}), name="seed-upload"),
    re_path(r"^get_image_list/?$", ScanViewSet.as_view({"get": "list"}), name="seed-image-list"),
    re_path(rf"^getImage/{ID}/?$", SeedScanViewSet.as_view({"get": "get_image"}), name="seed-image"),
    re_path(rf"^set_image/{ID}/?$", SeedScanViewSet.as_view({"post": "set_image"}), name="seed-set-image"),
    re_path(rf"^modify_image/{ID}/?$", SeedScanViewSet.as_view({"post": "modify_image"}), name="seed-modify-image"),
    re_path(r"^createProject/?$", ProjectViewSet.as_view({"post": "create"}), name="seed-create-project"),
    re_path(r"^train/?$", TrainingRunViewSet.as_view({"post": "create"}), name="seed-train"),
    re_path(r"^evaluate/?$", EvaluateViewSet.as_view({"post": "create"}), name="seed-evaluate"),
    re_path(rf"^deploy/{ID}/?$", ModelViewSet.as_view({"post": "deploy"}), name="seed-deploy"),
    re_path(r"^grade/?$", GradeViewSet.as_view({"post": "create"}), name="seed-grade"),
    re_path(rf"^approve/{ID}/?$", ApproveViewSet.as_view({"post": "approve"}), name="seed-approve"),
    re_path(r"^feedback/?$", FeedbackViewSet.as_view({"post": "create"}), name="seed-feedback"),
    re_path(r"^history/?$", HistoryViewSet.as_view({"get": "list"}), name="seed-history"),
]
