"""The index by which a part of a file name finds scans, the same on each database (`images.naming_index`)."""

from django.db import models

from images.models.projects import Project


class NamePart(models.Model):
    """In the name of this scan a run of letters and digits has an end (from one of its characters on) whose first ten
    characters `code` holds as one number, in the order of the alphabet: what begins with a part is a range of numbers.

    Numbers, as databases do not agree on how texts compare. Scans are not deleted, and one that is erased loses its parts."""

    pk = models.CompositePrimaryKey("project", "code", "scan")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    code = models.BigIntegerField()
    scan = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.code} in {self.scan}"
