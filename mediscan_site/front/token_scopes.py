"""What a service token must be made for to use a route: one table for the whole API. A route that is not in it, and whatever is
about accounts, passwords and tokens, no token may use."""

from typing import TYPE_CHECKING, Final

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mediscan_site.core.errors import Forbidden
from mediscan_site.core.models import ServiceToken
from mediscan_site.core.scopes import Scope

if TYPE_CHECKING:
    # Views read the setting that names this module while they are being imported.
    from rest_framework.views import APIView

NEVER: Final = None

# Reading needs READ, but for these.
READS: Final[dict[str, Scope | None]] = {
    "user-list": NEVER,
    "user-detail": NEVER,
    "user-tokens": NEVER,
    "message-list": NEVER,
    "audit-list": Scope.MANAGE,
    "metrics": Scope.MANAGE,
    "dataset-export": Scope.EXPORT,
    "export-file": Scope.EXPORT,
    "model-graph": Scope.MANAGE,
}
WRITES: Final[dict[str, Scope | None]] = {
    "user-list": NEVER,
    "user-detail": NEVER,
    "user-preferences": NEVER,
    "user-invitation": NEVER,
    "user-invite": NEVER,
    "user-reset-link": NEVER,
    "user-token": NEVER,
    "user-tokens": NEVER,
    "message-read": NEVER,
    "project-list": Scope.MANAGE,
    "project-detail": Scope.MANAGE,
    "project-erase-patient": Scope.MANAGE,
    "project-grant-permission": Scope.MANAGE,
    "project-revoke-permission": Scope.MANAGE,
    "project-member": Scope.MANAGE,
    "project-members": Scope.MANAGE,
    "project-merge-patients": Scope.MANAGE,
    "project-reidentify": Scope.MANAGE,
    "project-label-doubts": Scope.REVIEW,
    "project-adjudications": Scope.REVIEW,
    "project-gold": Scope.MANAGE,
    "project-guide": Scope.MANAGE,
    "project-guide-examples": Scope.MANAGE,
    "project-guide-example": Scope.MANAGE,
    "image-list": Scope.UPLOAD,
    "image-release": Scope.UPLOAD,
    "image-frames": Scope.LABEL,
    "image-bulk": Scope.UPLOAD,
    "image-tags": Scope.LABEL,
    "image-bulk-tags": Scope.LABEL,
    "project-tag": Scope.MANAGE,
    "import-list": Scope.UPLOAD,
    "import-preview": Scope.UPLOAD,
    "upload-list": Scope.UPLOAD,
    "upload-detail": Scope.UPLOAD,
    "upload-start": Scope.UPLOAD,
    "image-detail": Scope.UPLOAD,
    "export-list": Scope.EXPORT,
    "export-detail": Scope.EXPORT,
    "dataset-export": Scope.EXPORT,
    "label-list": Scope.LABEL,
    "label-bulk": Scope.LABEL,
    "label-bulk-undo": Scope.LABEL,
    "queue-claim": Scope.LABEL,
    "queue-release": Scope.LABEL,
    "queue-undo": Scope.LABEL,
    "review-list": Scope.REVIEW,
    "review-bulk-undo": Scope.REVIEW,
    "dataset-list": Scope.TRAIN,
    "training-run-list": Scope.TRAIN,
    "training-run-cancel": Scope.TRAIN,
    "training-run-plan": Scope.TRAIN,
    "model-evaluate": Scope.TRAIN,
    "model-deploy": Scope.MANAGE,
    "deployment-rollback": Scope.MANAGE,
    "grade-list": Scope.GRADE,
    "grade-first-read": NEVER,
    "grade-settle": NEVER,
    "grade-batch-list": Scope.GRADE,
    "grade-batch-cancel": Scope.GRADE,
    "referral-claim": Scope.LABEL,
    "referral-release": Scope.LABEL,
    "referral-read": Scope.LABEL,
    "acceptance-test-list": Scope.MANAGE,
    "acceptance-test-draw": Scope.MANAGE,
    "acceptance-test-decide": Scope.MANAGE,
    "watch-list": Scope.GRADE,
    "alarm-decide": Scope.MANAGE,
    "blind-read-claim": Scope.LABEL,
    "blind-read-release": Scope.LABEL,
    "blind-read-read": Scope.LABEL,
    "feedback-list": Scope.GRADE,
    "protocol-upload": Scope.UPLOAD,
    "protocol-set-image": Scope.LABEL,
    "protocol-modify-image": Scope.LABEL,
    "protocol-create-project": Scope.MANAGE,
    "protocol-train": Scope.TRAIN,
    "protocol-evaluate": Scope.TRAIN,
    "protocol-deploy": Scope.MANAGE,
    "protocol-grade": Scope.GRADE,
    "protocol-approve": Scope.REVIEW,
    "protocol-feedback": Scope.GRADE,
}
# One address, several needs.
BY_METHOD: Final[dict[tuple[str, str], Scope | None]] = {("image-detail", "DELETE"): Scope.MANAGE}


def needed(route: str, method: str) -> Scope | None:
    """The scope that a token needs for this; None: no token may."""
    if (route, method) in BY_METHOD:
        return BY_METHOD[route, method]
    if method in SAFE_METHODS:
        return READS.get(route, Scope.READ)
    return WRITES.get(route, NEVER)


class WithinScope(BasePermission):
    """Raises Forbidden `token_scope` for a service token that was not made for this. Others are none of its business."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        token = request.auth
        if isinstance(token, ServiceToken):
            match = request.resolver_match
            _require(token, needed(match.url_name or "" if match else "", request.method or ""))
        return True


def _require(token: ServiceToken, scope: Scope | None) -> None:
    if scope is NEVER:
        raise Forbidden(
            "No service token may do this: sign in as a person. Tokens manage neither accounts nor passwords nor tokens.",
            code="token_scope",
        )
    if scope not in token.scopes:
        raise Forbidden(
            f"This service token is for {', '.join(token.scopes)}; this needs {scope.value}. Make a token with that scope.",
            code="token_scope",
        )
