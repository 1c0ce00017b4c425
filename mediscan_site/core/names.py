"""User names. Two that differ only in the case or the Unicode form of their letters are one name, on every database."""

import unicodedata
from typing import Any

from django.db import models


def name_key(name: str) -> str:
    """What makes a name this one: databases compare letters each in their own way, so it is made here."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class NameKeyField(models.CharField):  # type: ignore[type-arg]
    """The key of the row's `username`, written whenever the row is."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 -- as Django calls it
        key = name_key(str(model_instance.username))  # type: ignore[attr-defined]
        setattr(model_instance, self.attname, key)
        return key
