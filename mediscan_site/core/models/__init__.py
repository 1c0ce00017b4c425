"""The ground floor's tables: people, encrypted objects, the audit trail, idempotency, and the shape of all queued work."""

from mediscan_site.core.models.jobs import (
    ACTIVE,
    ENDED,
    Backup,
    Drill,
    Invitation,
    ResetRequest,
    TaskLease,
    WorkItem,
    WorkStatus,
)
from mediscan_site.core.models.people import MediScanUserManager, Role, ServiceToken, TokenWork, User
from mediscan_site.core.models.records import AuditEvent, AuditSeal, IdempotencyRecord, Notice, Tally, Unsealed
from mediscan_site.core.models.stored import Blob, KeyCheck, StoreOwner
from mediscan_site.core.models.telling import Bookmark, Digest, Message

__all__ = [
    "ACTIVE",
    "ENDED",
    "AuditEvent",
    "AuditSeal",
    "Backup",
    "Blob",
    "Bookmark",
    "Digest",
    "Drill",
    "IdempotencyRecord",
    "Invitation",
    "KeyCheck",
    "MediScanUserManager",
    "Message",
    "Notice",
    "ResetRequest",
    "Role",
    "ServiceToken",
    "StoreOwner",
    "Tally",
    "TaskLease",
    "TokenWork",
    "Unsealed",
    "User",
    "WorkItem",
    "WorkStatus",
]
