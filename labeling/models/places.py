"""The project of a row about a scan, kept with the row: lists of a project walk an index of their own table."""

from typing import Any

from django.db import models

from images.models import Project


class ProjectOfImage(models.ForeignKey[Any, Any]):
    """The project of the row's `image`, which never changes: taken from there when the row is made, unless the caller knows it. Its
    table has indexes that begin with it."""

    def __init__(self, **options: Any) -> None:
        told = {"to": Project, "on_delete": models.CASCADE, "related_name": "+", "db_index": False, "editable": False}
        super().__init__(**{**told, **options})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 -- Django's
        row: Any = model_instance
        if add and row.project_id is None:
            row.project_id = row.image.project_id
        return super().pre_save(model_instance, add)
