"""What people in a project are called by what they may do: names for sets of rights, given at once and shown beside a member."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.policies import MEMBER_PERMISSIONS, VIEW


@dataclass(frozen=True)
class Role:
    name: str
    title: Promise
    says: Promise
    rights: frozenset[str]


# What each right allows, in words that follow "may".
ALLOWS: Final[dict[str, Promise]] = {
    "view_project": _("see the project"),
    "upload_image": _("upload scans"),
    "label_image": _("label scans"),
    "review_label": _("review labels"),
    "grade_image": _("ask the model"),
    "train_model": _("train models"),
    "deploy_model": _("deploy models"),
    "manage_project": _("change the project and its members"),
    "view_audit": _("read the audit log"),
    "reidentify": _("look up patients"),
}

# From the least to the most: what somebody is called is the last one all of whose rights they have. Looking up patients is in no
# role: it is given by itself.
ROLES: Final = (
    Role("reader", _("Doctor"), _("uploads, labels and grades"), frozenset(MEMBER_PERMISSIONS) - {"review_label"}),
    Role("reviewer", _("Reviewer"), _("and reviews the labels of colleagues"), frozenset(MEMBER_PERMISSIONS)),
    Role(
        "trainer",
        _("Trainer"),
        _("and trains and deploys models"),
        frozenset({*MEMBER_PERMISSIONS, "train_model", "deploy_model"}),
    ),
    Role(
        "manager",
        _("Manager"),
        _("and changes settings, members and reads the audit log"),
        frozenset({*MEMBER_PERMISSIONS, "manage_project", "view_audit"}),
    ),
)
BY_NAME: Final = {role.name: role for role in ROLES}
# What a new member is where nothing else is asked for.
USUAL: Final = "reviewer"
IN_NO_ROLE: Final = ("reidentify",)


def titles(rights: Collection[str]) -> list[Promise]:
    """What somebody with these rights is called: trainer and manager both, else the one that fits; a visitor may only look."""
    held = frozenset(rights)
    fitting = [role for role in ROLES if role.rights <= held]
    above = [role.title for role in fitting if role.name in ("trainer", "manager")]
    if above or fitting:
        return above or [fitting[-1].title]
    return [_("Visitor")] if held <= {VIEW} else [_("Member")]
