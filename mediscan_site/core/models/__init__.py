"""The ground floor's tables: people, encrypted objects, the audit trail, idempotency, and the shape of all queued work."""

from mediscan_site.core.models.jobs import ACTIVE, ENDED, Backup, Drill, ResetRequest, WorkItem, WorkStatus
from mediscan_site.core.models.people import MediScanUserManager, Role, ServiceToken, TokenWork, User
from mediscan_site.core.models.records import AuditEvent, AuditSeal, IdempotencyRecord, Notice, Tally
from mediscan_site.core.models.stored import Blob, KeyCheck, StoreOwner

__all__ = [
    "ACTIVE",
    "ENDED",
    "AuditEvent",
    "AuditSeal",
    "Backup",
    "Blob",
    "Drill",
    "IdempotencyRecord",
    "KeyCheck",
    "MediScanUserManager",
    "Notice",
    "ResetRequest",
    "Role",
    "ServiceToken",
    "StoreOwner",
    "Tally",
    "TokenWork",
    "User",
    "WorkItem",
    "WorkStatus",
]
