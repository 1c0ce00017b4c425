"""What a service token may be made for. Which route needs which is one table: `front.token_scopes`."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import models

from mediscan_site.core.errors import Invalid

LIFETIME: Final = timedelta(days=365)
LONGEST: Final = 2 * LIFETIME
# How long before its end people are reminded.
REMIND: Final = timedelta(days=30)


class Scope(models.TextChoices):
    """The labels are what people read on pages, in the schema and in docs/integrating.md."""

    READ = "read", "see projects, scans, labels, grades and models, and open scans"
    UPLOAD = "upload", "add scans and ZIP files with the labels they carry, and change metadata of scans"
    LABEL = "label", "label scans and withdraw labels, take scans from the queue"
    REVIEW = "review", "approve, reject and modify labels of others"
    GRADE = "grade", "ask for grades and answer with feedback"
    TRAIN = "train", "freeze data sets, start and cancel trainings, evaluate models"
    EXPORT = "export", "make and download exports"
    MANAGE = "manage", "projects, members, deployments, erasing, patient numbers and the audit trail"


# What a token gets where nobody chooses: all but what changes others' work.
USUAL: Final = tuple(scope.value for scope in Scope if scope != Scope.MANAGE)


def chosen(names: Iterable[Any]) -> list[str]:
    """The scopes in their order, each once. Invalid names what there is."""
    given = [str(name) for name in names]
    unknown = next((name for name in given if name not in Scope.values), None)
    if unknown is not None or not given:
        raise Invalid(
            f"Choose what the token is for, one or more of: {', '.join(Scope.values)}.",
            attr="scopes",
            code="invalid_choice" if given else "required",
        )
    return [name for name in Scope.values if name in given]
