"""User names. Two that differ only in the case or the Unicode form of their letters are one name, on every database."""

import hashlib
import unicodedata
from typing import Any, Final

from django.db import models

# As much as MySQL lets be unique everywhere. Few names are so long, though a letter may become three.
LONGEST: Final = 255


def name_key(name: str) -> str:
    """What makes a name this one: databases compare letters each in their own way, so it is made here."""
    key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    if len(key) <= LONGEST:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return key[: LONGEST - len(digest)] + digest


class NameKeyField(models.CharField):  # type: ignore[type-arg]
    """The key of the row's `username`, written whenever the row is."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 -- as Django calls it
        key = name_key(str(model_instance.username))  # type: ignore[attr-defined]
        setattr(model_instance, self.attname, key)
        return key
