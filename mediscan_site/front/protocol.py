"""The protocol's names, mounted under /api/ on the same views. A table and nothing else."""

from django.urls import re_path

from images.api import ProjectViewSet
from mediscan_site.front.protocol_api import ApproveViewSet, EvaluateViewSet, ProtocolScanViewSet, ProtocolUploadViewSet
from mediscan_site.front.scan_api import TimelineScanViewSet
from models_registry.api import FeedbackViewSet, GradeViewSet, HistoryViewSet, ModelViewSet
from training.api import TrainingRunViewSet

ID = r"(?P<pk>[A-Za-z0-9]+)"

urlpatterns = [
    re_path(r"^upload/?$", ProtocolUploadViewSet.as_view({"post": "create"}), name="protocol-upload"),
    re_path(r"^get_image_list/?$", TimelineScanViewSet.as_view({"get": "list"}), name="protocol-image-list"),
    re_path(rf"^getImage/{ID}/?$", ProtocolScanViewSet.as_view({"get": "get_image"}), name="protocol-image"),
    re_path(rf"^set_image/{ID}/?$", ProtocolScanViewSet.as_view({"post": "set_image"}), name="protocol-set-image"),
    re_path(
        rf"^modify_image/{ID}/?$", ProtocolScanViewSet.as_view({"post": "modify_image"}), name="protocol-modify-image"
    ),
    re_path(r"^createProject/?$", ProjectViewSet.as_view({"post": "create"}), name="protocol-create-project"),
    re_path(r"^train/?$", TrainingRunViewSet.as_view({"post": "create"}), name="protocol-train"),
    re_path(r"^evaluate/?$", EvaluateViewSet.as_view({"post": "create"}), name="protocol-evaluate"),
    re_path(rf"^deploy/{ID}/?$", ModelViewSet.as_view({"post": "deploy"}), name="protocol-deploy"),
    re_path(r"^grade/?$", GradeViewSet.as_view({"post": "create"}), name="protocol-grade"),
    re_path(rf"^approve/{ID}/?$", ApproveViewSet.as_view({"post": "approve"}), name="protocol-approve"),
    re_path(r"^feedback/?$", FeedbackViewSet.as_view({"post": "create"}), name="protocol-feedback"),
    re_path(r"^history/?$", HistoryViewSet.as_view({"get": "list"}), name="protocol-history"),
]
