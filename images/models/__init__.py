"""What came in: projects, their classes and members, scans and what is known about them."""

from images.models.frames import FrameChoice, FrameSource
from images.models.guides import GuideExample
from images.models.lists import ImageTag, SavedFilter, Tag
from images.models.patients import Deidentification, PatientIdentity, PatientMerge
from images.models.projects import (
    MOST_FRAMES,
    MOST_READS,
    RESEARCH_USE,
    Membership,
    OnAlarm,
    PictureShape,
    Project,
    ProjectClass,
    ProjectGroupObjectPermission,
    ProjectUserObjectPermission,
    UnacceptedSite,
)
from images.models.scans import (
    SCAN_PREFIX,
    ApprovalStatus,
    Desk,
    Hold,
    Image,
    LabelStatus,
    Metadata,
    NearDuplicate,
    Rendition,
    RenditionKind,
    Split,
    scan_code,
)

__all__ = [
    "MOST_FRAMES",
    "MOST_READS",
    "RESEARCH_USE",
    "SCAN_PREFIX",
    "ApprovalStatus",
    "Deidentification",
    "Desk",
    "FrameChoice",
    "FrameSource",
    "GuideExample",
    "Hold",
    "Image",
    "ImageTag",
    "LabelStatus",
    "Membership",
    "Metadata",
    "NearDuplicate",
    "OnAlarm",
    "PatientIdentity",
    "PatientMerge",
    "PictureShape",
    "Project",
    "ProjectClass",
    "ProjectGroupObjectPermission",
    "ProjectUserObjectPermission",
    "Rendition",
    "RenditionKind",
    "SavedFilter",
    "Split",
    "Tag",
    "UnacceptedSite",
    "scan_code",
]
