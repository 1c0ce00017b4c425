"""The API of projects, their members, and scans."""

from functools import partial
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from images import picture_serializers as pictures
from images import policies, selectors, services
from images import privacy_serializers as privacy
from images import project_serializers as projects
from images import serializers as shapes
from images.decoding.formats import DECODABLE, FORMATS
from images.filters import ORDERING_KEYS, ScanFilter
from images.frame_api import FramesMixin
from images.guide_api import GuideMixin
from images.many_api import ManyScansMixin, ProjectTagsMixin
from images.models import SCAN_PREFIX, Image, Membership, Project, RenditionKind
from images.pixels_api import pixels_response
from images.renditions import CONTENT_TYPES
from mediscan_site.core.http.api import IF_MATCH, parsed, stored_bytes, versioned
from mediscan_site.core.http.bytes import blob_response, made_response
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digits import DIGITS
from mediscan_site.core.http.preconditions import expected_version
from mediscan_site.core.http.viewsets import ApiViewSet
from mediscan_site.core.policies import require_admin

USER_ID = OpenApiParameter("user_id", int, OpenApiParameter.PATH)
FILE = stored_bytes(*(FORMATS[name].content_type for name in DECODABLE))


class ProjectViewSet(ProjectTagsMixin, GuideMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Project.objects.none()
    visible_to = staticmethod(selectors.projects)
    serializer_class = projects.ProjectSerializer
    ordering_fields = ("id", "name", "created_at")
    ordering = "id"
    filterset_fields: ClassVar[tuple[str, ...]] = ("name", "modality")
    # A stored answer would hold the patient's id in the clear.
    secret_actions = ("reidentify",)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return versioned(super().retrieve(request, *args, **kwargs))

    @extend_schema(request=projects.ProjectCreateSerializer, responses={201: projects.ProjectSerializer})
    def create(self, request: Request) -> Response:
        require_admin(request.user)
        values = parsed(projects.ProjectCreateSerializer(data=request.data))
        project = services.create_project(actor=caller(request), **values)
        return versioned(Response(self.get_serializer(project).data, status=status.HTTP_201_CREATED))

    @extend_schema(request=projects.ProjectPatchSerializer, responses=projects.ProjectSerializer, parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: str) -> Response:
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        changes = parsed(projects.ProjectPatchSerializer(data=request.data))
        changed = services.update_project(
            actor=caller(request), project=project, changes=changes, expected_version=expected_version(request)
        )
        return versioned(Response(self.get_serializer(changed).data))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def stats(self, request: Request, pk: str) -> Response:
        """Numbers of scans by label status, approval status, class and split."""
        return Response(selectors.project_stats(self.get_object()))

    @extend_schema(request=privacy.ReidentifySerializer, responses=privacy.PatientSerializer)
    @action(detail=True, methods=["post"])
    def reidentify(self, request: Request, pk: str) -> Response:
        """The patient id behind a pseudonym, for holders of the right `reidentify`. Audited with the reason."""
        project = self.get_object()
        policies.require(request.user, "reidentify", project)
        asked = parsed(privacy.ReidentifySerializer(data=request.data))
        patient = services.reidentify(actor=caller(request), project=project, **asked)
        return Response(privacy.PatientSerializer({"pseudonym": asked["pseudonym"], "patient": patient}).data)

    @extend_schema(request=privacy.ErasePatientSerializer, responses=privacy.ErasedSerializer)
    @action(detail=True, methods=["post"], url_path="erase-patient")
    def erase_patient(self, request: Request, pk: str) -> Response:
        """Erase all scans of one patient for good (administrators). Audited with the reason."""
        project = self.get_object()
        require_admin(request.user)
        asked = parsed(privacy.ErasePatientSerializer(data=request.data))
        erased = services.erase_patient(actor=caller(request), project=project, **asked)
        return Response(privacy.ErasedSerializer({"erased": erased}).data)

    @extend_schema(request=privacy.MergePatientsSerializer, responses=privacy.MergedSerializer)
    @action(detail=True, methods=["post"], url_path="merge-patients")
    def merge_patients(self, request: Request, pk: str) -> Response:
        """Two patients are one person: all scans of `source`, including those still to come, are kept under `target`."""
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        named = parsed(privacy.MergePatientsSerializer(data=request.data))
        moved = services.merge_patients(actor=caller(request), project=project, **named)
        return Response(privacy.MergedSerializer({"scans": moved}).data)

    @extend_schema(responses=shapes.MemberSerializer(many=True))
    @action(detail=True, filterset_fields=(), ordering_fields=("id",), ordering="id")
    def members(self, request: Request, pk: str) -> HttpResponseBase:
        """The members with their rights."""
        project = self.get_object()
        shape = partial(self._members, project, many=True)
        header = shapes.MemberSerializer.Meta.fields
        return self.rows_below(request, selectors.members(project), shape, header, of=project, project=project.pk)

    @extend_schema(request=shapes.MemberAddSerializer, responses={201: shapes.MemberSerializer})
    @members.mapping.post
    def add_member(self, request: Request, pk: str) -> Response:
        project = self.get_object()
        policies.require(request.user, "manage_project", project)
        user = parsed(shapes.MemberAddSerializer(data=request.data))["user"]
        membership = services.add_member(actor=caller(request), project=project, user=user)
        return Response(self._members(project, membership), status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[USER_ID], responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"members/(?P<user_id>{DIGITS})")
    def member(self, request: Request, pk: str, user_id: str) -> Response:
        """End a membership and all its rights."""
        membership = self._member(user_id)
        services.remove_member(actor=caller(request), project=membership.project, user=membership.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(parameters=[USER_ID], request=shapes.PermissionSerializer, responses=shapes.MemberSerializer)
    @action(detail=True, methods=["post"], url_path=rf"members/(?P<user_id>{DIGITS})/permissions")
    def grant_permission(self, request: Request, pk: str, user_id: str) -> Response:
        """Give a member one right."""
        membership = self._member(user_id)
        policies.require(request.user, "manage_project", membership.project)
        codename = parsed(shapes.PermissionSerializer(data=request.data))["permission"]
        services.grant(actor=caller(request), project=membership.project, user=membership.user, codename=codename)
        return Response(self._members(membership.project, membership))

    @extend_schema(parameters=[USER_ID], responses={204: None})
    @action(
        detail=True,
        methods=["delete"],
        url_path=rf"members/(?P<user_id>{DIGITS})/permissions/(?P<codename>[a-z_]{{1,40}})",
    )
    def revoke_permission(self, request: Request, pk: str, user_id: str, codename: str) -> Response:
        """Take one right from a member."""
        membership = self._member(user_id)
        services.revoke(actor=caller(request), project=membership.project, user=membership.user, codename=codename)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _member(self, user_id: str) -> Membership:
        return get_object_or_404(selectors.members(self.get_object()), user=int(user_id))

    def _members(self, project: Project, found: Any, *, many: bool = False) -> Any:
        users = [row.user_id for row in (found if many else [found])]
        context = {"granted": selectors.member_permissions(project, users)}
        return shapes.MemberSerializer(found, many=many, context=context).data


class ImageViewSet(ManyScansMixin, FramesMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    queryset = Image.objects.none()
    visible_to = staticmethod(selectors.scans)
    code_prefix = SCAN_PREFIX
    filterset_class = ScanFilter
    ordering_fields = ("id", "upload_date", "updated_at", "file_name", "size", "instance_number")
    ordering_keys = ORDERING_KEYS
    ordering = "-upload_date"

    bytes_actions: ClassVar[tuple[str, ...]] = ("file", "thumbnail", "rendition", "frame", "learning_view", "pixels")

    def get_queryset(self) -> QuerySet[Image]:
        rows = super().get_queryset()
        return selectors.listed(rows) if self.action == "list" else rows

    def get_serializer_class(self) -> type[shapes.ScanSerializer]:
        return shapes.ScanSerializer if self.action == "list" else shapes.ScanDetailSerializer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return versioned(super().retrieve(request, *args, **kwargs))

    @extend_schema(request=shapes.ScanPatchSerializer, responses=shapes.ScanDetailSerializer, parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: str) -> Response:
        image = self.get_object()
        policies.require(request.user, "upload_image", image.project)
        changes = parsed(shapes.ScanPatchSerializer(data=request.data))
        services.update_scan(
            actor=caller(request), image=image, changes=changes, expected_version=expected_version(request)
        )
        return versioned(Response(self.get_serializer(self.get_object()).data))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Erase the scan for good (administrators)."""
        services.delete_scan(actor=caller(request), image=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=shapes.ScanDetailSerializer)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """End the hold of a scan: you looked, and nothing in the picture shows who the patient is."""
        services.release_scan(actor=caller(request), image=self.get_object())
        return versioned(Response(self.get_serializer(self.get_object()).data))

    @extend_schema(responses=privacy.DeidentificationSerializer)
    @action(detail=True)
    def deidentification(self, request: Request, pk: str) -> Response:
        """What was removed, replaced, moved and kept of a DICOM file; 404 for other formats, which are stored as they came."""
        report = get_object_or_404(selectors.deidentifications(), image=self.get_object())
        return Response(privacy.DeidentificationSerializer(report).data)

    @extend_schema(responses=FILE)
    @action(detail=True)
    def file(self, request: Request, pk: str) -> HttpResponseBase:
        """The file as it is stored: DICOM de-identified, every other format bit for bit as it was received."""
        image = self.get_object()
        stream, blob = services.open_original(actor=caller(request), image=image)
        return blob_response(request, stream, blob, file_name=image.file_name, as_attachment=True)

    @extend_schema(responses=stored_bytes(CONTENT_TYPES[RenditionKind.THUMBNAIL]))
    @action(detail=True)
    def thumbnail(self, request: Request, pk: str) -> HttpResponseBase:
        """A small JPEG, longest side at most 256 pixels."""
        return self._rendition(request, RenditionKind.THUMBNAIL, "jpg")

    @extend_schema(responses=stored_bytes(CONTENT_TYPES[RenditionKind.VIEW]))
    @action(detail=True)
    def rendition(self, request: Request, pk: str) -> HttpResponseBase:
        """The picture as PNG without any of the file's metadata, longest side at most 2,048 pixels."""
        return self._rendition(request, RenditionKind.VIEW, "png")

    @extend_schema(
        parameters=[pictures.FRAME, pictures.FrameQuerySerializer],
        responses=stored_bytes(CONTENT_TYPES[RenditionKind.VIEW], CONTENT_TYPES[RenditionKind.THUMBNAIL]),
    )
    @action(detail=True, url_path=rf"frames/(?P<number>{DIGITS})")
    def frame(self, request: Request, pk: str, number: str) -> HttpResponseBase:
        """One frame of a DICOM file or page of a TIFF as `rendition` shows the scan; as `thumbnail` with `size=thumbnail`."""
        query = parsed(pictures.FrameQuerySerializer(data=request.query_params))
        return self._rendition(request, *pictures.SIZES[query["size"]], frame=int(number), is_same=query["same"])

    @extend_schema(
        parameters=[pictures.ViewFrameSerializer, *pictures.PIXEL_HEADERS], responses=stored_bytes("image/png")
    )
    @action(detail=True, url_path="view", url_name="view")
    def learning_view(self, request: Request, pk: str) -> HttpResponseBase:
        """The scan's own pixels, at most 1,024 on the longer side: a PNG of 8-bit grey or RGB, or of 16-bit grey where the file has
        more than 8 bits. A pixel p stands for p * `Pixel-Slope` + `Pixel-Intercept` (Hounsfield units of a CT); `Pixel-Window` has
        the two values that pages show black and white, the larger one first where small values are bright."""
        image = self.get_object()
        frame = parsed(pictures.ViewFrameSerializer(data=request.query_params))["frame"]
        facts, png = services.open_view(actor=caller(request), image=image, frame=frame)
        meaning, name = pictures.pixel_headers(facts), f"{image.code}_view.png"
        return made_response(request, png, content_type="image/png", file_name=name, headers=meaning)

    @extend_schema(
        parameters=[pictures.PixelsQuerySerializer, pictures.PIXEL_FACTS_HEADER],
        responses=stored_bytes("application/octet-stream", "image/png"),
    )
    @action(detail=True)
    def pixels(self, request: Request, pk: str) -> HttpResponseBase:
        """The scan's own pixels at full size, as a viewer needs them. Grey of more than 8 bits: 16 bits each, packed as
        docs/integrating.md says. Else a PNG of 8-bit grey or RGB. `Pixel-Facts` says what they are; a pixel p stands for
        p * slope + intercept."""
        image = self.get_object()
        query = parsed(pictures.PixelsQuerySerializer(data=request.query_params))
        facts, body = services.open_pixels(
            actor=caller(request), image=image, frame=query["frame"], is_same=query["same"]
        )
        return pixels_response(request, facts, body, name=f"{image.code}_pixels")

    def _rendition(
        self, request: Request, kind: RenditionKind, suffix: str, *, frame: int | None = None, is_same: bool = False
    ) -> HttpResponseBase:
        image = self.get_object()
        stream, blob = services.open_rendition(
            actor=caller(request), image=image, kind=kind, frame=frame, is_same=is_same
        )
        name = f"{image.code}_{kind}" if frame is None else f"{image.code}_{kind}_{frame}"
        return blob_response(request, stream, blob, file_name=f"{name}.{suffix}")
