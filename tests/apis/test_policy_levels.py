"""Policies at the API and at an operation: which pairs may be together (APK 909025), each of
them.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from kapi.apis.compile import compile_api
from kapi.errors import Invalid
from kapi.policies import POLICIES

DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "Interceptor": {"backendUrl": "http://interceptor:8080"},
    "LuaInterceptor": {
        "name": "script",
        "sourceCode": "function envoy_on_request(handle) end",
    },
    "WASMInterceptor": {
        "name": "module",
        "rootId": "r",
        "url": "https://modules.example/a.wasm",
    },
    "BackendJwt": {},
    "AddHeader": {"headerName": "X-A", "headerValue": "1"},
    "SetHeader": {"headerName": "X-A", "headerValue": "1"},
    "RemoveHeader": {"headerName": "X-A"},
    "RequestMirror": {"urls": ["http://mirror:8080"]},
    "RequestRedirect": {"url": "https://new.example"},
}
TOGETHER = {"Interceptor", "LuaInterceptor", "WASMInterceptor", "BackendJwt"}


def compiled(api: list[str], operation: list[str], **more: Any) -> None:
    def lists(names: list[str]) -> dict[str, Any]:
        return {
            "request": [
                {"policyName": name, "parameters": PARAMETERS[name]} for name in names
            ]
        }

    conf = {
        "name": "a",
        "basePath": "/a",
        "version": "1",
        "type": "REST",
        "endpointConfigurations": {"production": {"endpoint": "http://backend"}},
        "apiPolicies": lists(api),
        "operations": [
            {
                "target": "/x",
                "verb": "GET",
                "operationPolicies": lists(operation),
                **more,
            }
        ],
    }
    compile_api(
        json.dumps(conf).encode(), DEFINITION, organization="default", policies=POLICIES
    )


@pytest.mark.parametrize(
    ("api", "operation"), list(itertools.product(PARAMETERS, repeat=2))
)
def test_each_pair(api: str, operation: str) -> None:
    if {api, operation} <= TOGETHER:
        compiled([api], [operation])
        return
    with pytest.raises(Invalid) as refused:
        compiled([api], [operation])
    (found,) = refused.value.diagnostics
    assert (refused.value.code, found.code, found.pointer) == (
        "909025",
        "KAPI1212",
        "#/operations/0/operationPolicies",
    )
    assert (
        found.message
        == "Presence of both resource level and API level operation policies is not allowed"
    )
    for name in (api, operation):
        assert (name in found.hint) == (name not in TOGETHER)
    assert "move these policies to apiPolicies" in found.hint


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_level_alone_or_an_empty_other(name: str) -> None:
    compiled([name], [])
    compiled([], [name])


def test_with_other_mistakes_the_answer_is_the_general_one() -> None:
    with pytest.raises(Invalid) as refused:
        compiled(["AddHeader"], ["AddHeader"], target="no slash")
    assert refused.value.code == "909029"
    assert {item.code for item in refused.value.diagnostics} == {"KAPI1212", "KAPI1202"}
