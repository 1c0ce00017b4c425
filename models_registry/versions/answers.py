"""What a version said of each test scan in one reading, from the reading to its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from images.models import Image
from models_registry.models import Evaluation, ScanAnswer
from models_registry.versions import summaries

# Finer than any page writes them; a row stays short.
DECIMALS: Final = 6
TOGETHER: Final = 500


@dataclass(frozen=True)
class Answer:
    """`image` and `truth` are keys; `shares` are in the order of the version's classes."""

    image: int
    truth: int
    shares: tuple[float, ...]


def keep(evaluation: Evaluation, answers: Sequence[Answer]) -> None:
    """Store them with their evaluation. Call it in the transaction that stores the report."""
    ids = [entry["id"] for entry in evaluation.model.classes]
    erased = Image.objects.filter(project=evaluation.model.project_id, erased_at__isnull=False)
    # Erased while the reading was under way: nothing is kept of it.
    gone = set(erased.values_list("pk", flat=True)) if answers else set()
    rows = (_row(evaluation, ids, one) for one in answers if one.image not in gone)
    ScanAnswer.objects.bulk_create(rows, batch_size=TOGETHER)
    if len(answers) > summaries.FEW:
        for place in range(len(ids)):
            summaries.ask(evaluation, summaries.of_class(place))


def _row(evaluation: Evaluation, ids: Sequence[int], answer: Answer) -> ScanAnswer:
    confidence = max(answer.shares)
    said = ids[answer.shares.index(confidence)]
    return ScanAnswer(
        evaluation=evaluation,
        image_id=answer.image,
        truth_id=answer.truth,
        said_id=said,
        right=said == answer.truth,
        confidence=confidence,
        shares=[round(share, DECIMALS) for share in answer.shares],
    )
