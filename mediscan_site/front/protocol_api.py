"""The protocol's calls whose form differs from the API's own: several things in one body, the object in the path."""

from typing import Any

from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from images.api import FILE
from images.decoding.formats import is_zip
from images.models import LabelStatus
from images.policies import require, visible_projects
from images.serializers import ScanDetailSerializer, ScanPatchSerializer
from labeling.imports.api import ImportViewSet
from labeling.imports.serializers import ImportSerializer, UploadedScanSerializer, UploadSerializer
from labeling.models import Review
from labeling.reading.serializers import ReviewCreateSerializer, ReviewSerializer
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.http.api import IF_MATCH, parsed, versioned
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import CodeField
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet, accepted
from mediscan_site.front import services
from mediscan_site.front.scan_api import TimelineScanViewSet
from models_registry.api import GradeReviewViewSet
from models_registry.evaluations.services import request_evaluation
from models_registry.policies import visible_models
from models_registry.selectors import deployed_model
from models_registry.serializers import EvaluationSerializer


def plain(data: Any) -> dict[str, Any]:
    """The body as a dict of single values, from JSON or a form."""
    return dict(data.items())


class ProtocolUploadViewSet(TimelineScanViewSet):
    @extend_schema(
        request={"multipart/form-data": UploadSerializer},
        responses={201: UploadedScanSerializer, 200: UploadedScanSerializer, 202: ImportSerializer},
    )
    def create(self, request: Request) -> Response:
        """A scan, with or without its label: 201. A ZIP of many: 202 and the import to look at."""
        file = request.FILES.get("file")
        if file is None or not is_zip(file):
            return super().create(request)
        imports = ImportViewSet(action="create", request=request, args=(), kwargs={}, format_kwarg=None)
        return imports.create(request)


class SetImageSerializer(ScanPatchSerializer):
    label_status = serializers.ChoiceField(choices=LabelStatus.choices, required=False)
    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the protocol's name


class ModifyImageSerializer(ScanPatchSerializer):
    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the protocol's name


class ProtocolScanViewSet(TimelineScanViewSet):
    bytes_actions = (*TimelineScanViewSet.bytes_actions, "get_image")

    @extend_schema(responses={**FILE, 200: ScanDetailSerializer})
    def get_image(self, request: Request, pk: str) -> HttpResponseBase:
        """The file; what is known about it with `Accept: application/json`."""
        wants_json = "application/json" in request.headers.get("Accept", "")
        call: Any = self.retrieve if wants_json else self.file
        response: HttpResponseBase = call(request, pk=pk)
        patch_vary_headers(response, ["Accept"])
        return response

    @extend_schema(request=SetImageSerializer, responses=ScanDetailSerializer, parameters=[IF_MATCH])
    def set_image(self, request: Request, pk: str) -> Response:
        """`label_status`, `use_for_training`, `split`: together or not at all."""
        return self._set(request, SetImageSerializer(data=request.data))

    @extend_schema(request=ModifyImageSerializer, responses=ScanDetailSerializer, parameters=[IF_MATCH])
    def modify_image(self, request: Request, pk: str) -> Response:
        """A new label, new metadata, or both: together or not at all."""
        return self._set(request, ModifyImageSerializer(data=request.data))

    def _set(self, request: Request, form: ScanPatchSerializer) -> Response:
        image = self.get_object()
        values = parsed(form)
        services.set_scan(
            actor=caller(request),
            image=image,
            label_status=values.pop("label_status", None),
            label=values.pop("label", None),
            changes=values,
            expected_version=expected_version(request),
        )
        return versioned(Response(self.get_serializer(self.get_object()).data))


class ApproveSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=Review.Status.choices)
    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the protocol's name
    comment = serializers.CharField(required=False, allow_blank=True)


class ApproveViewSet(GradeReviewViewSet):
    @extend_schema(request=ApproveSerializer, responses={201: ReviewSerializer}, parameters=[IF_MATCH])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve, reject or modify the label of the scan in the path."""
        scans = TimelineScanViewSet(action="retrieve", request=request, args=(), kwargs={"pk": pk}, format_kwarg=None)
        image = scans.get_object()
        require(request.user, "review_label", image.project)
        body = {**plain(request.data), "image": image.pk}
        values = parsed(ReviewCreateSerializer(data=body, context=self.get_serializer_context()))
        return self.reviewed(request, values.pop("image"), values)


class EvaluateSerializer(serializers.Serializer[Any]):
    """The model, or the project whose deployed model is meant."""

    project = CodeField(visible_to=visible_projects, required=False)
    model = CodeField(prefix="model", visible_to=visible_models, required=False)


class EvaluateViewSet(ApiViewSet):
    serializer_class = EvaluationSerializer

    @extend_schema(request=EvaluateSerializer, responses={202: EvaluationSerializer})
    def create(self, request: Request) -> Response:
        """Read the test split once more with the deployed or the given model."""
        values = parsed(EvaluateSerializer(data=request.data, context=self.get_serializer_context()))
        if not values:
            raise Invalid("Name a project or a model.", attr="project", code="required")
        model = values.get("model") or deployed_model(values["project"])
        if model is None:
            raise Conflict("No model of this project is deployed. Name a model.", code="no_deployed_model")
        evaluation = request_evaluation(actor=caller(request), model=model)
        return accepted(request, evaluation, "evaluation-detail", self.get_serializer(evaluation))
