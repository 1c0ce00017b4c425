"""What people in a project are called by what they may do: the names of `policies.TEMPLATES`, shown beside a member."""

from collections.abc import Collection
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.policies import TEMPLATES, VIEW

# What each adds to the one before.
SAYS: Final[dict[str, Promise]] = {
    "reader": _("uploads, labels and grades"),
    "reviewer": _("also reviews the labels of colleagues"),
    "trainer": _("also trains and deploys models"),
    "manager": _("also changes settings and members, and reads the audit log"),
}
CHOICES: Final = [(name, title) for name, (title, _rights) in TEMPLATES.items()]
# What a new member is where nothing else is asked for.
USUAL: Final = "reviewer"
# Looking up patients is in no role: it is given and taken by itself.
OF_ROLES: Final = frozenset(right for _title, rights in TEMPLATES.values() for right in rights)


def title(rights: Collection[str]) -> Promise:
    """What somebody with these rights is called: the last role all of whose rights they have."""
    held = frozenset(rights) | {VIEW}
    fitting = [title for title, wanted in TEMPLATES.values() if held >= set(wanted)]
    if fitting:
        return fitting[-1]
    return _("Visitor") if held == {VIEW} else _("Member")


def told() -> list[tuple[str, Promise, Promise]]:
    """Each role: its name, its title, and what it may."""
    return [(name, title, SAYS[name]) for name, title in CHOICES]
