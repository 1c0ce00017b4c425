"""The API of versions, evaluations, deployments, grades, feedback and history."""

from functools import partial
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images.services import parse_facts
from labeling.reading.api import ReviewViewSet
from mediscan_site.core.http.api import parsed, stored_bytes
from mediscan_site.core.http.bytes import blob_response
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.later import GATE, when_ready
from mediscan_site.core.http.viewsets import ApiViewSet, accepted
from mediscan_site.core.models import ACTIVE, User
from models_registry import filters, selectors
from models_registry import grade_serializers as grades
from models_registry import serializers as shapes
from models_registry.browsing.api import AnswersMixin, ComparingMixin
from models_registry.deployments import services as deploying
from models_registry.evaluations.services import request_evaluation
from models_registry.grades import accepting, covering, waiting
from models_registry.grades.feedback import give_feedback
from models_registry.grades.services import grade_upload, request_grade
from models_registry.models import Deployment, Evaluation, Feedback, Grade, ModelVersion
from models_registry.versions import graphs

WAIT = OpenApiParameter("wait", float, OpenApiParameter.QUERY, description="Seconds to wait for the answer, 0 to 60.")


class ModelViewSet(ComparingMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = ModelVersion.objects.none()
    visible_to = staticmethod(selectors.versions)
    code_prefix = "model"
    serializer_class = shapes.ModelSerializer
    filterset_class = filters.ModelFilter
    ordering_fields = ("id", "training_date", "name")
    ordering = "-id"

    @extend_schema(request=shapes.EvaluationRequestSerializer, responses={202: shapes.EvaluationSerializer})
    @action(detail=True, methods=["post"], filterset_class=None)
    def evaluate(self, request: Request, pk: str) -> Response:
        """Read a test split once more; each reading is counted."""
        model = self.get_object()
        form = shapes.EvaluationRequestSerializer(data=request.data, context={"request": request})
        snapshot = parsed(form).get("dataset")
        evaluation = request_evaluation(actor=caller(request), model=model, snapshot=snapshot)
        return accepted(request, evaluation, "evaluation-detail", shapes.EvaluationSerializer(evaluation))

    @extend_schema(request=shapes.DeployRequestSerializer, responses=shapes.DeploymentSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def deploy(self, request: Request, pk: str) -> Response:
        """Load the version, ask the gate, and let it serve its project."""
        model = self.get_object()
        reason = parsed(shapes.DeployRequestSerializer(data=request.data)).get("override_reason", "")
        deployment = deploying.deploy(actor=caller(request), model=model, override_reason=reason)
        return Response(shapes.DeploymentSerializer(deployment).data)

    bytes_actions = ("graph",)

    @extend_schema(responses=stored_bytes(graphs.CONTENT_TYPE))
    @action(detail=True, filterset_class=None)
    def graph(self, request: Request, pk: str) -> HttpResponseBase:
        """The version as an ONNX file, with its card in the file's metadata; 409 `no_graph` where there is none."""
        return _graph(request, self.get_object())


def _graph(request: Request, model: ModelVersion) -> HttpResponseBase:
    stream, blob = graphs.open_graph(actor=caller(request), model=model)
    return blob_response(request, stream, blob, file_name=f"{model.code}.onnx", as_attachment=True)


class EvaluationViewSet(AnswersMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Evaluation.objects.none()
    visible_to = staticmethod(selectors.evaluations)
    serializer_class = shapes.EvaluationSerializer
    filterset_class = filters.EvaluationFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    def get_serializer_class(self) -> type[shapes.EvaluationSerializer]:
        return shapes.EvaluationRowSerializer if self.action == "list" else shapes.EvaluationSerializer


class DeploymentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Deployment.objects.none()
    visible_to = staticmethod(selectors.deployments)
    serializer_class = shapes.DeploymentSerializer
    filterset_class = filters.DeploymentFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    @extend_schema(request=shapes.RollbackRequestSerializer, responses=shapes.DeploymentSerializer)
    @action(detail=False, methods=["post"], filterset_class=None)
    def rollback(self, request: Request) -> Response:
        """Restore the version that served before."""
        form = shapes.RollbackRequestSerializer(data=request.data, context={"request": request})
        deployment = deploying.rollback(actor=caller(request), project=parsed(form)["project"])
        return Response(shapes.DeploymentSerializer(deployment).data)


class GradeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Grade.objects.none()
    visible_to = staticmethod(selectors.answers)
    serializer_class = grades.GradeSerializer
    filterset_class = filters.HistoryFilter
    ordering_fields = ("id", "created_at")
    ordering = "-created_at"

    bytes_actions = ("heatmap",)

    @extend_schema(
        request={"multipart/form-data": grades.GradeRequestSerializer},
        responses={201: grades.GradeSerializer, 202: grades.GradeSerializer},
        parameters=[WAIT],
    )
    def create(self, request: Request) -> HttpResponseBase:
        """Ask the deployed model about a new file or a stored scan; 202 when the answer takes longer than `wait`."""
        wait_s = waiting.seconds(request.query_params.get("wait"))
        values = parsed(grades.GradeRequestSerializer(data=request.data, context={"request": request}))
        grade = _ask(caller(request), values)
        wait = waiting.for_answer(grade, wait_s, asked_now=True)
        return when_ready(self, request, wait, lambda: self._as_it_stands(request, grade))

    def _as_it_stands(self, request: Request, asked: Grade) -> Response:
        grade = selectors.answers(request.user).get(pk=asked.pk)
        answer = self.get_serializer(grade)
        if grade.status in ACTIVE:
            return accepted(request, grade, "grade-detail", answer)
        return Response(answer.data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=stored_bytes("image/png"), parameters=[WAIT])
    @action(detail=True, filterset_class=None)
    def heatmap(self, request: Request, pk: str) -> HttpResponseBase:
        """What spoke for the prediction: a PNG with transparency, to be laid over the scan. Waits for the answer."""
        wait_s = waiting.seconds(request.query_params.get("wait"))
        grade: Grade = self.get_object()
        answered = partial(self._drawn, request, grade)
        return when_ready(self, request, waiting.for_answer(grade, wait_s), answered)

    def _drawn(self, request: Request, grade: Grade) -> HttpResponseBase:
        drawn = partial(_heatmap, request, grade.pk)
        # Who holds a thread while it waits draws in that time.
        return when_ready(self, request, waiting.for_drawing(grade), drawn) if GATE in request.META else drawn()

    @extend_schema(request=grades.OwnReadRequestSerializer, responses={201: grades.FirstReadSerializer})
    @action(detail=True, methods=["post"], url_path="first-read", url_name="first-read", filterset_class=None)
    def read_first(self, request: Request, pk: str) -> Response:
        """What the caller sees on the scan before the answer is uncovered for them (`reveal_after_read`)."""
        return self._own(request, covering.read_first, needed=False)

    @extend_schema(request=grades.OwnReadRequestSerializer, responses={201: grades.FirstReadSerializer})
    @action(detail=True, methods=["post"], filterset_class=None)
    def settle(self, request: Request, pk: str) -> Response:
        """What the caller says once they have seen the answer: their feedback on it too."""
        return self._own(request, covering.settle, needed=True)

    def _own(self, request: Request, save: Any, *, needed: bool) -> Response:
        grade: Grade = self.get_object()
        context = {"request": request, "project": grade.project, "needed": needed}
        values = parsed(grades.OwnReadRequestSerializer(data=request.data, context=context))
        row = save(actor=caller(request), grade=grade, **values)
        return Response(grades.FirstReadSerializer(row).data, status=status.HTTP_201_CREATED)


def _heatmap(request: Request, pk: int) -> HttpResponseBase:
    grade = waiting.read(pk)
    stream, blob = waiting.heatmap(actor=caller(request), grade=grade)
    return blob_response(request, stream, blob, file_name=f"{grade.image.code}_heatmap.png")


def _ask(actor: User, values: dict[str, Any]) -> Grade:
    if values.get("image"):
        return request_grade(actor=actor, project=values["project"], image=values["image"])
    return grade_upload(
        actor=actor,
        project=values["project"],
        source=values["file"],
        file_name=values["file"].name,
        facts=parse_facts(values),
        external_id=values.get("external_id") or None,
    )


class FeedbackViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Feedback.objects.none()
    visible_to = staticmethod(selectors.feedback)
    serializer_class = grades.FeedbackSerializer
    filterset_class = filters.FeedbackFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"

    @extend_schema(request=grades.FeedbackRequestSerializer, responses={201: grades.FeedbackSerializer})
    def create(self, request: Request) -> Response:
        values = parsed(grades.FeedbackRequestSerializer(data=request.data, context={"request": request}))
        feedback = give_feedback(actor=caller(request), **values)
        return Response(self.get_serializer(feedback).data, status=status.HTTP_201_CREATED)


class HistoryViewSet(mixins.ListModelMixin, ApiViewSet):
    """Past scans and what was said about them, newest first."""

    queryset = Grade.objects.none()
    visible_to = staticmethod(selectors.grades)
    serializer_class = grades.HistorySerializer
    filterset_class = filters.HistoryFilter
    ordering_fields = ("id", "created_at")
    ordering = "-created_at"


class GradeReviewViewSet(ReviewViewSet):
    """labeling's, where approving a graded scan without a label accepts the grade."""

    review_one = staticmethod(accepting.review_scan)
    review_many = staticmethod(accepting.review_many)
