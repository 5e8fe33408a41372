"""Parameters as APK 2 writes them: a list of keys and values, which are texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kapi.apis.conf.json_schema import json_schema
from kapi.apis.conf.reading import Reading, read
from kapi.policies import POLICIES

LISTED = [item for policy in POLICIES for item in policy.conf_part.listed]


def reading(name: str, parameters: Any, flow: str = "request") -> Reading:
    policy = {"policyName": name, "policyVersion": "v1", "parameters": parameters}
    conf = {
        "name": "Lists",
        "basePath": "/lists",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {"production": {"endpoint": "http://backend:80"}},
        "operations": [
            {"target": "/*", "verb": "POST", "operationPolicies": {flow: [policy]}}
        ],
    }
    return read(json.dumps(conf).encode(), POLICIES)


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("item", LISTED, ids=lambda item: item.name)
def test_a_list_says_what_a_mapping_says(item: Any) -> None:
    flow = item.flows[0]
    as_mapping = reading(item.name, dict(item.example), flow)
    pairs = [{"key": key, "value": text(value)} for key, value in item.example.items()]
    as_list = reading(item.name, pairs, flow)
    assert as_list.conf == as_mapping.conf
    assert as_list.data == as_mapping.data
    assert list(map(str, as_list.diagnostics)) == list(map(str, as_mapping.diagnostics))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([{"key": "max"}], "required key [value] not found"),
        ([{"key": "max", "value": "many"}], "expected type: Integer, found: String"),
        ([{"key": "max", "value": "5, x: 6"}], "expected type: Integer, found: String"),
        ([{"key": "max", "value": "5} #"}], "expected type: Integer, found: String"),
        ([{"key": "most", "value": "5"}], "extraneous key [most] is not permitted"),
        ([{"key": "max", "value": "5"}] * 2, "the key max is in the list twice"),
        (["max"], "expected type: JSONObject, found: String"),
        ([], "the guardrail has neither min nor max"),
    ],
)
def test_mistakes_of_a_list_are_found(parameters: Any, message: str) -> None:
    found = reading("WordCountGuardrail", parameters)
    assert found.conf is None
    assert message in " ".join(item.message for item in found.diagnostics)


def test_the_schema_of_editors_has_both_forms() -> None:
    definitions = json_schema(POLICIES)["definitions"]
    forms = json.dumps(definitions)
    assert '"key"' in forms
