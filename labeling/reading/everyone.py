"""How much waits for each of many people, as `queue.Queue` counts it for one: what waits is counted once by who has spoken of it,
and each person is added up from that."""

from collections.abc import Collection, Mapping
from typing import Any

from images.models import Image, Project
from labeling.reading.queue import DESKS, suits
from labeling.reading.said_by import spoken_in
from mediscan_site.core.database import counted
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.models import User


def waiting_for(task: str, people: Mapping[User, Collection[Project]]) -> dict[tuple[int, int], int]:
    """By (person, project) how many scans wait at this desk, to one more than MOST_COUNTED. Queries by how many sets of people
    have spoken, not by how many people ask. Not for the desk of labels, where each is also handed scans once more."""
    projects = {project.pk: project for places in people.values() for project in places}
    known = spoken_in(projects.values())
    rows = Image.objects.filter(desk=DESKS[task])
    parts: dict[Any, Any] = {
        (pk, one.key): rows.filter(project=pk, said_by=one.key) for pk, sets in known.items() for one in sets
    }
    sizes = counted(parts, MOST_COUNTED)
    found = {}
    for user, places in people.items():
        for project in places:
            mine = (sizes[project.pk, one.key] for one in known[project.pk] if suits(one, user, project, task))
            found[user.pk, project.pk] = min(sum(mine), MOST_COUNTED + 1)
    return found
