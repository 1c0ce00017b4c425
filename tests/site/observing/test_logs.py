"""A line of JSON says which request or task, and never what somebody typed, what a patient is called, or a token."""

import json
import logging

import pytest
from django.db import IntegrityError
from django.urls import reverse
from rest_framework.test import APIClient

from mediscan_site import logs
from mediscan_site.core import narrating
from mediscan_site.core.http.context import ContextFilter, RequestContext, set_context

SECRET = "Mustermann"


@pytest.fixture
def lines(caplog, monkeypatch):
    """What the site would write, by the filters and the format of its own configuration."""

    def written():
        form, found = logs.Formatter(), []
        for record in caplog.records:
            ContextFilter().filter(record)
            logs.NoAddressFilter().filter(record)
            found.append(json.loads(form.format(record)))
        return found

    caplog.set_level(logging.INFO)
    for name in (logs.REQUESTS, logs.TASKS, "celery"):
        caplog.set_level(logging.INFO, logger=name)
        # Alembic, which MLflow brings, disables whatever loggers there are.
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    return written


def requests_in(lines):
    return [line for line in lines() if line["logger"] == logs.REQUESTS]


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_route_and_who_asked(colleague, lines):
    client = APIClient()
    client.force_login(colleague)
    answer = client.get(reverse("search"), {"q": SECRET})
    (line,) = requests_in(lines)
    assert (line["route"], line["method"], line["status"], line["user"]) == ("search/", "GET", 200, colleague.pk)
    assert line["duration_ms"] > 0
    assert (line["level"], line["time"][10], line["time"][-6:]) == ("INFO", "T", "+00:00")
    assert answer.headers["X-Request-ID"]
    assert SECRET not in json.dumps(lines())


@pytest.mark.django_db
def test_no_line_has_a_token_or_an_address_as_it_was_typed(client, lines):
    client.get("/password-reset/MQ/set-a-very-secret-token/")
    client.get(f"/no/such/{SECRET}/")
    client.get(f"/api/v1/images/{SECRET}/", headers={"Authorization": "Token ms_verysecret"})
    written = json.dumps(lines())
    assert requests_in(lines)
    assert [word for word in ("very-secret", SECRET, "verysecret") if word in written] == []


def test_an_error_is_its_kinds_and_where_it_happened(lines):
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            raise ValueError(f"Duplicate entry '{SECRET}'") from cause
    except ValueError:
        logging.getLogger("some").exception("It failed")
    (line,) = lines()
    assert line["error"]["kinds"] == ["builtins.ValueError", "builtins.KeyError"]
    assert "test_logs.py" in line["error"]["calls"][-1]
    assert SECRET not in json.dumps(line)


def test_words_about_an_error_of_the_database_have_its_kind_and_not_the_row_that_it_quotes(lines):
    error = IntegrityError(f"Duplicate entry '{SECRET}' for key 'file_name'")
    logging.getLogger("some").warning("%s is written later: %s", "It", error)
    (line,) = lines()
    assert line["message"] == "It is written later: IntegrityError"


def test_what_a_library_hangs_on_a_record_is_left_out(lines):
    logging.getLogger("celery").info("done", extra={"data": {"args": [SECRET]}, "patient": SECRET, "row": 3})
    (line,) = lines()
    assert line["row"] == 3
    assert SECRET not in json.dumps(line)


def test_a_task_is_one_line_with_its_name_row_and_end(lines):
    class Task:
        name = "labeling.run_import"

    narrating._begins(task_id="abc")
    narrating._has_ended(task_id="abc", task=Task(), args=(7,), state="FAILURE")
    (line,) = lines()
    assert (line["task"], line["task_id"], line["row"], line["state"]) == ("labeling.run_import", "abc", 7, "FAILURE")
    assert (line["level"], narrating._began) == ("ERROR", {})


def test_a_line_belongs_to_its_request(lines):
    set_context(RequestContext(request_id="f00"))
    logging.getLogger("some").warning("of a request")
    written = lines()
    set_context(RequestContext())
    assert written[0]["request_id"] == "f00"


def test_the_configuration_of_either_format_is_one_that_logging_takes():
    for form in logs.FORMATS:
        made = logs.config(form, "WARNING")
        assert made["root"]["level"] == "WARNING"
        assert list(made["formatters"]) == [form]
        assert made["loggers"][logs.REQUESTS]["level"] == ("INFO" if form == "json" else "WARNING")
