"""The checks of `make security` and the document that names them are one list."""

import re
from pathlib import Path

from django.conf import settings

from benchmarks._security import CHECKS, Failed, Skipped, access, bodies, losses, must, told, waits, wire
from benchmarks.security import tried

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "security.md").read_text()
MODULES = (access, bodies, losses, told, waits, wire)


def test_every_check_is_named_in_the_document_and_every_one_named_there_is_made():
    made = {row.id for row in CHECKS} | {"faults.killed"}
    kinds = "|".join({name.partition(".")[0] for name in made})
    assert set(re.findall(rf"`((?:{kinds})\.[a-z-]+)`", DOCUMENT)) - {"tls.crt"} == made
    assert len(CHECKS) + 1 == len(made)
    assert {row.run.__module__ for row in CHECKS} == {module.__name__ for module in MODULES}


def test_a_check_that_breaks_has_not_passed_and_one_that_cannot_be_made_says_why():
    def fails() -> str:
        must([], "something else")
        return "seen"

    def breaks() -> str:
        raise KeyError("answer")

    def cannot() -> str:
        raise Skipped("not here")

    outcomes = [tried(run) for run in (fails, breaks, cannot, lambda: "seen")]
    assert [row.result for row in outcomes] == ["fail", "fail", "skip", "pass"]
    assert [row.said[:20] for row in outcomes] == ["something else", "the check broke: Key", "not here", "seen"]
    assert issubclass(Failed, Exception)
