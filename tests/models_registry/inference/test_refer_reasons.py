"""A reason to refer stands in one list, `ReferReason`; what follows from it, and what must follow it by hand."""

import ast
from pathlib import Path

import pytest
from django.conf import settings

from models_registry.grade_serializers import GradeSerializer
from models_registry.inference.refer_reasons import ReferReason

REGISTRY = Path(settings.BASE_DIR) / "models_registry"


def given_by_the_code() -> set[str]:
    trees = [ast.parse(path.read_text()) for path in REGISTRY.rglob("*.py")]
    attributes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in attributes if ast.unparse(node.value).endswith("ReferReason")}


def row(reason: ReferReason) -> str:
    """What docs/integrating.md says of a reason: paste it there."""
    return f"| `{reason}` | {reason.sentence} | {reason.remedy} |"


def test_the_document_has_a_row_for_every_reason_in_their_order():
    document = (settings.BASE_DIR / "docs" / "integrating.md").read_text()
    table = document.partition("| reason |")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == [row(reason) for reason in ReferReason]


@pytest.mark.parametrize("reason", ReferReason)
def test_the_predictor_gives(reason):
    assert reason.name in given_by_the_code()


@pytest.mark.parametrize("reason", ReferReason)
def test_a_doctor_reads_a_sentence_and_what_helps_for(reason):
    for text in (reason.sentence, reason.remedy):
        assert text[0].isupper()
        assert text.endswith(".")


def test_the_documents_of_the_api_name_every_code():
    help_text = GradeSerializer().fields["reasons"].help_text
    assert all(f"`{reason}`" in help_text for reason in ReferReason)
