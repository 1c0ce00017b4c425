"""Encrypted objects, and whose they are."""

import uuid

from django.db import models
from django.utils import timezone


class Blob(models.Model):
    """One immutable encrypted object. The file key is kept only here, wrapped by a master key: dropping it destroys the bytes.
    `checked_at`: when its bytes were stored, or last read back (`core.storage.verification`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    path = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    stored_size = models.BigIntegerField()
    stored_sha256 = models.CharField(max_length=64)
    key_id = models.CharField(max_length=40, db_index=True)
    wrapped_key = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["checked_at", "id"], name="blob_by_check"),
            models.Index(fields=["quarantined_at"], name="blob_by_quarantine"),
            models.Index(fields=["erased_at"], name="blob_by_erasure"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class KeyCheck(models.Model):
    """What one key of the site's key file is known by (`core.storage.own_keys`). `name`: its purpose, or `master` and its name."""

    name = models.CharField(max_length=48, unique=True)
    value = models.CharField(max_length=64)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class StoreOwner(models.Model):
    """Who this database is to its store of objects (`core.storage.own_store`): one row. `marked_at`: since when the store says
    so too."""

    site = models.CharField(max_length=32)
    marked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.site
