"""What pages of many scans say of what was done, and how the last of it is taken back."""

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext

from images.models import Project
from images.services.many import Done
from labeling.reading import last_batch
from labeling.reading.bulk import undo_many
from mediscan_site.core.http.html import attempt
from mediscan_site.core.sentences import in_language

REFUSALS_SHOWN: Final = 5
# Says what was done with those scans for which it went well.
Sentence = Callable[[list[Done]], str]


def tell(request: HttpRequest, results: list[Done], sentence: Sentence) -> None:
    refused = [result for result in results if not result.ok]
    if len(refused) < len(results):
        messages.success(request, sentence(results))
    for result in refused[:REFUSALS_SHOWN]:
        messages.error(request, f"{result.image.code}: {in_language(result.detail)}")
    if len(refused) > REFUSALS_SHOWN:
        more = gettext("%(number)s more were refused.") % {"number": len(refused) - REFUSALS_SHOWN}
        messages.error(request, more)


def undo(request: HttpRequest, what: str, project: Project, sentence: Sentence) -> None:
    images, versions = last_batch.last(request, what, project)
    if not images:
        messages.info(request, gettext("There is nothing to undo."))
        return
    done = attempt(request, undo_many, images=images, versions=versions, task=last_batch.TASKS[what])
    if done.ok:
        last_batch.forget(request, what, project)
        tell(request, done.result, sentence)
