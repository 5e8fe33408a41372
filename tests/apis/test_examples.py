"""The answers that OpenAPI documents give as examples, which mocks send."""

from __future__ import annotations

from typing import Any

import pytest

from kapi.apis.definitions.examples import Example, example_of
from kapi.apis.definitions.openapi_operations import OpenApiReader

TEXT = {"text/plain": {"example": "a"}}


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ({"404": {}, "202": {"content": TEXT}, "201": {}}, Example(201)),
        ({"default": {"content": TEXT}}, Example(200, "text/plain", "a")),
        (
            {"2000": {}, "2": {}, "2" * 5000: {}, "2XX": {"content": TEXT}},
            Example(200, "text/plain", "a"),
        ),
    ],
    ids=["the first success", "no success", "no statuses"],
)
def test_the_status_is_the_first_success(
    responses: dict[str, Any], expected: Example
) -> None:
    assert example_of(OpenApiReader({}), {"responses": responses}, 0, "") == expected


@pytest.mark.parametrize(
    "name", ["text/html\r\nX-A: b", "text/html\n", "", " ", "a" * 201]
)
def test_a_media_type_that_no_header_can_have_is_left_out(name: str) -> None:
    content = {name: {"example": "b"}, **TEXT}
    operation = {"responses": {"200": {"content": content}}}
    assert example_of(OpenApiReader({}), operation, 0, "") == Example(
        200, "text/plain", "a"
    )


def test_lists_in_lists_are_bounded_together() -> None:
    """Ten items in each of twelve lists in each other would be a billion texts."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(12):
        schema = {"type": "array", "minItems": 10, "items": schema}
    operation = {
        "responses": {"200": {"content": {"application/json": {"schema": schema}}}}
    }
    made = example_of(OpenApiReader({}), operation, 0, "")
    assert made.body is not None
    assert len(made.body) < 100_000
    assert '["text"' in made.body


def test_a_list_has_the_items_that_it_must_have() -> None:
    schema = {
        "type": "array",
        "minItems": 3,
        "items": {"type": "array", "items": {"type": "integer"}},
    }
    operation = {
        "responses": {"200": {"content": {"application/json": {"schema": schema}}}}
    }
    assert example_of(OpenApiReader({}), operation, 0, "").body == "[[0], [0], [0]]"
