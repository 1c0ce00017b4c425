"""What came in: projects, their classes and members, scans and what is known about them."""

from images.models.patients import Deidentification, PatientIdentity, PatientMerge
from images.models.projects import (
    RESEARCH_USE,
    Membership,
    Project,
    ProjectClass,
    ProjectGroupObjectPermission,
    ProjectUserObjectPermission,
)
from images.models.scans import (
    ApprovalStatus,
    Hold,
    Image,
    LabelStatus,
    Metadata,
    NearDuplicate,
    Rendition,
    RenditionKind,
    Split,
)

__all__ = [
    "RESEARCH_USE",
    "ApprovalStatus",
    "Deidentification",
    "Hold",
    "Image",
    "LabelStatus",
    "Membership",
    "Metadata",
    "NearDuplicate",
    "PatientIdentity",
    "PatientMerge",
    "Project",
    "ProjectClass",
    "ProjectGroupObjectPermission",
    "ProjectUserObjectPermission",
    "Rendition",
    "RenditionKind",
    "Split",
]
