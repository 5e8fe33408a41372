"""Kinds of API: what each must have, and what the pipeline asks of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kapi.apis.compile import base_paths, compile_api
from kapi.apis.conf.not_enforced import refuse_excluded
from kapi.apis.definitions import DEFINITIONS
from kapi.apis.kinds import DEFAULT, KINDS, Kind, kind_at_best, kind_in, kind_of
from kapi.apis.report import COMBINATION, Report
from kapi.apis.yaml_positions import read_yaml
from kapi.errors import Invalid
from kapi.gateway.envoy.resources.routes.kinds import ROUTES
from kapi.policies import POLICIES

CONF = """---
name: "Orders"
basePath: "/orders"
version: "1.0.0"
type: "REST"
defaultVersion: true
rateLimit:
  requestsPerUnit: 5
  unit: "Minute"
endpointConfigurations:
  production:
    endpoint: "http://backend:8080"
operations:
- target: "/orders"
  verb: "GET"
  operationPolicies:
    request:
    - policyName: "RequestRedirect"
      parameters:
        url: "https://example.com/"
"""
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "Orders", "version": "1"},'
    b' "paths": {"/orders": {"get": {}}}}'
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_every_kind_has_a_language_of_its_own_and_routes(kind: Kind) -> None:
    assert kind_of(kind.type) is kind
    assert [form for form in DEFINITIONS if kind.type == form.TYPE] == [kind.language]
    assert kind.type in ROUTES
    assert len({item.type for item in KINDS}) == len(KINDS)


def test_a_type_that_does_not_exist_is_checked_as_the_default_one() -> None:
    assert kind_at_best("SOAP") is DEFAULT
    assert kind_at_best("") is DEFAULT


def test_a_stored_conf_names_its_kind() -> None:
    compiled = compile_api(
        CONF.encode(), DEFINITION, organization="default", policies=POLICIES
    )
    assert kind_in(compiled.conf_text) is kind_of("REST")
    assert compiled.api.type == "REST"


def test_the_kind_says_how_base_path_and_version_are_joined() -> None:
    conf = compile_api(
        CONF.encode(), DEFINITION, organization="default", policies=POLICIES
    ).conf
    assert base_paths(conf, DEFAULT) == ("/orders/1.0.0", "/orders")
    dotted = replace(DEFAULT, separator=".")
    assert base_paths(conf, dotted) == ("/orders.1.0.0", "/orders")
    assert base_paths(replace(conf, base_path="/orders.1.0.0"), dotted)[1] == "/orders"


def test_fields_and_policies_that_a_kind_excludes_are_refused_with_its_hint() -> None:
    report = Report("apkConfiguration")
    root = read_yaml(CONF.encode(), report, limit=10_000)
    assert root is not None
    refuse_excluded(root, DEFAULT, report)
    assert report.diagnostics == ()
    strict = replace(
        DEFAULT,
        excluded={"rateLimit": "Remove the limit.", "RequestRedirect": "Remove it."},
    )
    refuse_excluded(root, strict, report)
    assert [(item.code, item.message, item.hint) for item in report.diagnostics] == [
        (COMBINATION, "an API of type REST cannot have rateLimit", "Remove the limit."),
        (COMBINATION, "an API of type REST cannot have RequestRedirect", "Remove it."),
    ]
    assert [item.pointer for item in report.diagnostics] == [
        "#/rateLimit",
        "#/operations/0/operationPolicies/request/0/policyName",
    ]


def test_a_language_without_a_kind_cannot_be_deployed() -> None:
    for form in DEFINITIONS:
        if kind_of(form.TYPE) is not None:
            continue
        conf = CONF.replace('type: "REST"', f'type: "{form.TYPE}"')
        with pytest.raises(Invalid) as caught:
            compile_api(
                conf.encode(), DEFINITION, organization="default", policies=POLICIES
            )
        messages = [item.message for item in caught.value.diagnostics]
        assert f"type {form.TYPE} is not supported yet" in messages
