"""Whatever comes in, the answer is a value or Invalid; and the same comes out for the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kapi.apis.compile import compile_api
from kapi.apis.conf.reading import read
from kapi.apis.definitions import DEFINITIONS, read_definition
from kapi.apis.emit import emit
from kapi.apis.model.conf import ApiConf
from kapi.apis.report import Report
from kapi.apis.yaml_positions import plain, read_yaml
from kapi.errors import Diagnostic, Invalid
from kapi.policies import POLICIES

CONF: dict[str, Any] = {
    "name": "Orders",
    "basePath": "/orders",
    "version": "1.0.0",
    "type": "REST",
    "defaultVersion": True,
    "endpointConfigurations": {"production": {"endpoint": "http://backend:8080"}},
    "authentication": [{"authType": "OAuth2", "enabled": True}],
    "operations": [
        {"target": "/orders/{id}", "verb": "GET", "scopes": ["a"]},
        {"target": "/orders", "verb": "POST"},
    ],
    "corsConfiguration": {"corsConfigurationEnabled": False},
    "additionalProperties": [{"name": "a", "value": "b"}],
}
DEFINITION: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1"},
    "servers": [{"url": "http://{a}/", "variables": {"a": {"default": "b"}}}],
    "security": [{"default": ["a"]}],
    "paths": {
        "/orders": {"post": {"security": [{"default": []}], "x-auth-type": "None"}}
    },
}
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/", "/*", "{", "http://", "GET"])
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def read_conf(text: bytes) -> tuple[ApiConf | None, tuple[Diagnostic, ...]]:
    reading = read(text, POLICIES)
    return reading.conf, reading.diagnostics


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        path,
        *(place for key, item in inner for place in places(item, (*path, key))),
    ]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def compiled_or_refused(conf: bytes, definition: bytes) -> Any:
    try:
        return compile_api(conf, definition, organization="default", policies=POLICIES)
    except Invalid as error:
        return error.diagnostics or pytest.fail("refused without a reason")


def as_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    read_conf(content)
    compiled_or_refused(content, content)
    for form in DEFINITIONS:
        definition, diagnostics = read_definition(content, form.TYPE)
        assert (definition is None) == bool(diagnostics)


@given(st.text("{}[]:,&*!|>'\"%@`#-?\n\t a1~<=.e+_x0", max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_yaml_punctuation_is_read_or_refused(text: str) -> None:
    conf, diagnostics = read_conf(text.encode())
    assert conf is None
    assert diagnostics


@given(st.sampled_from(places(CONF)), anything)
@settings(max_examples=100, deadline=None)
def test_a_conf_with_anything_put_anywhere_is_compiled_or_refused(
    path: tuple[Any, ...], new: Any
) -> None:
    text = as_yaml(changed(CONF, path, new))
    first = compiled_or_refused(text, as_yaml(DEFINITION))
    assert first == compiled_or_refused(text, as_yaml(DEFINITION))


@given(st.sampled_from(places(DEFINITION)), anything)
@settings(max_examples=100, deadline=None)
def test_a_definition_with_anything_put_anywhere_is_compiled_or_refused(
    path: tuple[Any, ...], new: Any
) -> None:
    compiled_or_refused(as_yaml(CONF), as_yaml(changed(DEFINITION, path, new)))


@given(
    st.permutations(
        [
            {"target": f"/{name}", "verb": "GET"}
            for name in ("a", "{b}", "*", "a/b", "a/{c}", "a/*", "{d}/b", "a{e}")
        ]
    )
)
@settings(max_examples=50, deadline=None)
def test_the_order_of_operations_in_the_file_does_not_matter(
    operations: list[dict[str, str]],
) -> None:
    made = compiled_or_refused(
        as_yaml(CONF | {"operations": operations}), as_yaml(DEFINITION)
    )
    assert [operation.target for operation in made.api.operations] == [
        "/a",
        "/a/b",
        "/a/{c}",
        "/a/*",
        "/a{e}",
        "/{b}",
        "/{d}/b",
        "/*",
    ]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
finite = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | texts
)
trees = st.recursive(
    finite,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=15,
)


@given(st.dictionaries(texts, trees, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_is_emitted_is_read_back(data: dict[str, Any]) -> None:
    report = Report("test")
    root = read_yaml(emit(data).encode(), report)
    assert report.diagnostics == ()
    assert root is not None
    assert plain(root) == data
