"""The API of labels, reviews and the queue."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images.many_serializers import ManyDoneSerializer, told
from images.models import Image
from images.selectors import scans
from images.serializers import ScanSerializer
from images.services.many import Done
from labeling import filters, policies
from labeling.models import Label, Review
from labeling.reading import labels, queue, reviews, selectors
from labeling.reading import serializers as shapes
from labeling.reading.bulk_api import ManyLabelsMixin, ManyReviewsMixin
from labeling.reading.undo import undo_last
from mediscan_site.core.http.api import IF_MATCH, parsed
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet


class LabelViewSet(ManyLabelsMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Readings of scans: append-only."""

    queryset = Label.objects.none()
    visible_to = staticmethod(selectors.labels)
    serializer_class = shapes.LabelSerializer
    filterset_class = filters.LabelFilter
    ordering_fields = ("id", "annotation_date")
    ordering = "-id"

    @extend_schema(
        request=shapes.LabelCreateSerializer,
        responses={201: shapes.LabelSerializer, 200: shapes.LabelSerializer},
        parameters=[IF_MATCH],
    )
    def create(self, request: Request) -> Response:
        """Label a scan: 201. With the label it already has: 200, nothing changes."""
        values = parsed(shapes.LabelCreateSerializer(data=request.data, context=self.get_serializer_context()))
        outcome = _labelled(request, values)
        code = status.HTTP_201_CREATED if outcome.changed else status.HTTP_200_OK
        response = Response(self.get_serializer(outcome.label).data, status=code)
        response["ETag"] = f'"{outcome.image.version}"'
        return response


def _labelled(request: Request, values: dict[str, Any]) -> labels.LabelOutcome:
    image: Image = values["image"]
    policies.require(request.user, "label_image", image.project)
    common: dict[str, Any] = {
        "actor": caller(request),
        "image": image,
        "comment": values.get("comment", ""),
        "expected_version": expected_version(request),
    }
    if "ungradable" in values:
        return labels.mark_ungradable(reason=values["ungradable"], **common)
    return labels.label_scan(label_class=labels.parse_class(image.project, values["label"]), **common)


class ReviewViewSet(ManyReviewsMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Decisions about labels: append-only."""

    queryset = Review.objects.none()
    visible_to = staticmethod(selectors.reviews)
    serializer_class = shapes.ReviewSerializer
    filterset_class = filters.ReviewFilter
    ordering_fields = ("id", "created_at")
    ordering = "-id"
    # A later app may know more ways to review; it replaces these.
    review_one: ClassVar[Callable[..., Review]] = staticmethod(reviews.review_scan)
    review_many: ClassVar[Callable[..., list[Done]]] = staticmethod(reviews.review_many)

    @extend_schema(
        request=shapes.ReviewCreateSerializer,
        responses={201: shapes.ReviewSerializer, 200: ManyDoneSerializer},
        parameters=[IF_MATCH],
    )
    def create(self, request: Request) -> Response:
        """Review one scan (201), or many (200 with a result for each)."""
        values = parsed(shapes.ReviewCreateSerializer(data=request.data, context=self.get_serializer_context()))
        if "image" in values:
            return self.reviewed(request, values.pop("image"), values)
        return self._many(request, values)

    def reviewed(self, request: Request, image: Image, values: dict[str, Any]) -> Response:
        policies.require(request.user, "review_label", image.project)
        review = self.review_one(
            actor=caller(request),
            image=image,
            expected_version=expected_version(request),
            **_decision(image, values),
        )
        response = Response(self.get_serializer(review).data, status=status.HTTP_201_CREATED)
        response["ETag"] = f'"{review.scan_version + 1}"'
        return response

    def _many(self, request: Request, values: dict[str, Any]) -> Response:
        images, batch = values.get("images"), values.get("import")
        results = self.review_many(
            actor=caller(request),
            images=images,
            batch=batch,
            expected_count=values.get("expected_count"),
            **_decision(images[0] if images else batch, values),
        )
        return Response(told(results))


def _decision(about: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a review from the body. `about`: a scan or an import, whose project names the classes."""
    name = values.get("label")
    return {
        "status": values["status"],
        "label_class": labels.parse_class(about.project, name) if name and about else None,
        "comment": values.get("comment", ""),
    }


class QueueViewSet(ApiViewSet):
    """Work for one reader at a time."""

    queryset = Image.objects.none()
    serializer_class = shapes.LeasedScanSerializer

    @extend_schema(request=shapes.ClaimSerializer, responses={200: shapes.ClaimedSerializer, 204: None})
    @action(detail=False, methods=["post"])
    def claim(self, request: Request) -> Response:
        """The next scans, reserved for the caller for ten minutes. 204 when nothing waits."""
        values = parsed(shapes.ClaimSerializer(data=request.data, context=self.get_serializer_context()))
        leases = queue.claim_scans(actor=caller(request), **values)
        if not leases:
            return Response(status=status.HTTP_204_NO_CONTENT)
        leased = scans(caller(request)).in_bulk([lease.image_id for lease in leases])
        for lease in leases:
            vars(leased[lease.image_id]).update({"task": lease.task, "expires_at": lease.expires_at})
        rows = [leased[lease.image_id] for lease in leases]
        return Response({"results": self.get_serializer(rows, many=True).data})

    @extend_schema(request=shapes.ReleaseSerializer, responses=shapes.ReleasedSerializer)
    @action(detail=False, methods=["post"])
    def release(self, request: Request) -> Response:
        """Give the caller's scans back to the queue."""
        values = parsed(shapes.ReleaseSerializer(data=request.data, context=self.get_serializer_context()))
        return Response({"released": queue.release_scans(actor=caller(request), **values)})

    @extend_schema(request=shapes.UndoSerializer, responses=ScanSerializer)
    @action(detail=False, methods=["post"])
    def undo(self, request: Request) -> Response:
        """Take the caller's last label, or last review, in the project back: the scan is as it was before."""
        values = parsed(shapes.UndoSerializer(data=request.data, context=self.get_serializer_context()))
        image = undo_last(actor=caller(request), **values)
        row = scans(caller(request)).get(pk=image.pk)
        response = Response(ScanSerializer(row, context=self.get_serializer_context()).data)
        response["ETag"] = f'"{row.version}"'
        return response
