"""What the tests hold every answer against notices a document that does not say what is answered."""

import json
from copy import deepcopy

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.conftest import contract
from tests.contract import Contract

GRADES = "/api/v1/grades/"
REFUSED = {"type": "validation_error", "errors": [{"code": "required", "detail": "Name it.", "attr": "project"}]}


def faults(method: str = "POST", path: str = GRADES, status: int = 400, kind: str = "application/json", body=None):
    return contract().faults(method, path, status, kind, json.dumps(REFUSED if body is None else body).encode())


def test_an_answer_that_the_document_knows_has_no_fault():
    assert faults() == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 418}, "status 418"),
        ({"method": "PUT"}, "no such method"),
        ({"path": "/api/v1/nowhere/"}, "no such path"),
        ({"kind": "text/html"}, "content type text/html"),
        ({"body": {**REFUSED, "more": 1}}, "'more' was unexpected"),
        ({"body": {"type": "client_error"}}, "'errors' is a required property"),
        ({"body": {**REFUSED, "type": "mishap"}}, "'mishap' is not one of"),
        ({"body": {**REFUSED, "type": None}}, "None"),
    ],
)
def test_what_the_document_does_not_say_is_named(answer, words):
    assert words in " ".join(faults(**answer))


def schemas():
    """Each schema of the document, with where it is."""
    waiting = [("", SchemaGenerator().get_schema(public=True))]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            yield where, value
            waiting += [(f"{where}/{name}", part) for name, part in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{where}/{at}", part) for at, part in enumerate(value)]


def test_the_document_says_what_clients_are_made_of():
    """Null stands beside a type, or OpenAPI 3.0 knows none; a choice has a type; and no value may be of one type or another."""
    for where, schema in schemas():
        if schema.get("nullable") is True:
            assert "type" in schema, where
            assert None in schema.get("enum", [None]), where
        if isinstance(schema.get("enum"), list):
            assert isinstance(schema["type"], str), where
        assert not {"oneOf", "anyOf"} & set(schema), where


def test_a_request_has_one_content_type():
    for path, operations in SchemaGenerator().get_schema(public=True)["paths"].items():
        for method, operation in operations.items():
            assert len(operation.get("requestBody", {}).get("content", [""])) == 1, f"{method} {path}"


def test_blank_choices_nulls_and_refusals_follow_from_the_rules():
    document = SchemaGenerator().get_schema(public=True)
    parts = document["components"]["schemas"]
    scan, batch = parts["Scan"]["properties"], parts["Import"]["properties"]
    assert scan["hold"]["enum"] == ["burned_in_annotation", "text_like_border", ""]
    assert scan["split"]["enum"] == ["train", "val", "test", None]
    assert batch["finished_at"]["nullable"] is True
    assert "format" not in parts["User"]["properties"]["email"]
    for status in ("400", "409", "413"):
        said = document["paths"]["/api/v1/images/"]["post"]["responses"][status]["content"]["application/json"]
        assert said["schema"]["$ref"].endswith("/Refusal")
    assert not {"BlankEnum", "NullEnum"} & set(parts)


def test_a_document_that_forgets_the_empty_choice_is_found_out():
    document = deepcopy(SchemaGenerator().get_schema(public=True))
    fields = document["components"]["schemas"]["TokenPair"]
    fields["properties"]["access"]["enum"] = ["other"]
    found = Contract(document).faults(
        "POST", "/api/v1/auth/token/", 200, "application/json", b'{"access": "", "refresh": ""}'
    )
    assert found == ["access: '' is not one of ['other']"]
