"""The demo as a caller of the API: what it does when the site asks for patience."""

import pytest
import requests

from mediscan_site.front.demo import steps
from mediscan_site.front.demo.client import ApiError


def refusal(code: str) -> ApiError:
    answer = requests.Response()
    answer.status_code = 409
    answer.request = requests.Request("POST", "http://site/api/v1/datasets/").prepare()
    answer._content = b'{"errors": [{"code": "%s", "detail": "Try again."}]}' % code.encode()
    return ApiError(answer)


class Admin:
    """Answers what it was given, one answer a call."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)

    def post(self, path: str, body):
        answer = self.answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer


def story(admin: Admin, told: list[str]):
    nobody = None
    caller = admin
    return steps.Story(caller, nobody, nobody, nobody, tell=lambda share, note: told.append(note), project={"id": 1})


def test_the_demo_asks_again_while_new_scans_are_compared(monkeypatch):
    monkeypatch.setattr(steps, "POLL_S", 0.0)
    told: list[str] = []
    admin = Admin(refusal("comparison_pending"), refusal("comparison_pending"), {"dataset_id": "dataset001"})
    assert steps.freeze(story(admin, told)) == {"dataset_id": "dataset001"}
    assert told == ["new scans are compared with the others"] * 2


def test_any_other_refusal_ends_the_demo_at_once():
    admin = Admin(refusal("not_enough_data"), {"dataset_id": "dataset001"})
    with pytest.raises(ApiError, match="not_enough_data"):
        steps.freeze(story(admin, []))
    assert len(admin.answers) == 1
