"""What each policy says about the conf: it is enforced where it may be used, refused elsewhere, and
described.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from kapi.apis.compile import compile_api
from kapi.apis.conf.json_schema import json_schema
from kapi.apis.conf.policy_lists import FIELDS, FLOWS
from kapi.apis.conf.policy_part import ConfField, ConfPart, ListedPolicy
from kapi.apis.conf.schema import conf_format
from kapi.apis.conf.shapes import TEXT, Items, Record
from kapi.apis.ir import Operation
from kapi.errors import Invalid
from kapi.policies import POLICIES, contract

DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
LISTED = conf_format(POLICIES).listed
PLACES = list(itertools.product(LISTED.values(), FIELDS, FLOWS))


@dataclass(frozen=True, slots=True)
class AnyNode:
    """The node of a policy that the platform does not have."""

    policy: ClassVar[str] = "any_policy"
    addresses: tuple[str, ...] = field(default=())


LISTED_ANY = ListedPolicy(
    "AnyPolicy",
    flows=("request",),
    parameters=Record({"addresses": Items(TEXT, 100)}, ("addresses",)),
    descriptions={"addresses": "Addresses that may call."},
    example={"addresses": ["10.0.0.0/8"]},
)


def any_policy(listed: ListedPolicy = LISTED_ANY) -> Any:
    def compiled(conf: Any, operation: Any) -> AnyNode | None:
        for item in conf.policies_of(operation).request:
            if item.name == listed.name:
                return AnyNode(item.parameter("addresses"))
        return None

    return SimpleNamespace(
        name="any_policy",
        phase=contract.Phase.AUTHORIZE,
        conf_part=ConfPart(listed=(listed,)),
        compile=compiled,
    )


OPEN = ("BasicAuthentication",)
"""For operations without tokens."""


def use(
    name: str,
    level: str,
    flow: str,
    parameters: Any,
    policies: Any = POLICIES,
    *,
    secured: bool = True,
) -> Operation:
    lists = {flow: [{"policyName": name, "parameters": parameters}]}
    operation: dict[str, Any] = {"target": "/a", "verb": "GET", "secured": secured}
    conf: dict[str, Any] = {
        "name": "a", "basePath": "/a", "version": "1", "type": "REST",
        "endpointConfigurations": {"production": {"endpoint": "http://backend"}},
        "aiProvider": {"name": "OpenAI", "apiVersion": "v1"},
        "operations": [operation],
    }  # fmt: skip
    owner = conf if level == "api" else operation
    if name:
        owner[FIELDS[level]] = lists  # type: ignore[index]
    made = compile_api(
        json.dumps(conf).encode(), DEFINITION, organization="default", policies=policies
    )
    return made.api.operations[0]


def name_of(place: tuple[ListedPolicy, str, str]) -> str:
    return f"{place[0].name}-{place[1]}-{place[2]}"


@pytest.mark.parametrize("place", PLACES, ids=name_of)
def test_a_policy_is_enforced_where_it_is_accepted_and_refused_elsewhere(
    place: Any,
) -> None:
    listed, level, flow = place
    if level in listed.levels and flow in listed.flows:
        secured = listed.name not in OPEN
        without = use("", level, flow, {}, secured=secured).policies
        made = use(listed.name, level, flow, listed.example, secured=secured)
        assert made.policies != without
        return
    with pytest.raises(Invalid) as refused:
        use(listed.name, level, flow, listed.example)
    assert any(
        item.message == f"{listed.name} is not a valid enum value"
        for item in refused.value.diagnostics
    )


def test_a_new_policy_is_one_value_and_closed_elsewhere() -> None:
    policies = (*POLICIES, any_policy())
    made = use("AnyPolicy", "api", "request", {"addresses": ["10.0.0.0/8"]}, policies)
    assert AnyNode(("10.0.0.0/8",)) in made.policies
    with pytest.raises(Invalid):
        use("AnyPolicy", "api", "response", {"addresses": ["10.0.0.0/8"]}, policies)
    with pytest.raises(Invalid):
        use("AnyPolicy", "api", "request", {"addresses": 5}, policies)
    with pytest.raises(Invalid):
        use("AnyPolicy", "api", "request", {"addresses": []})


def test_a_policy_of_one_level_is_refused_at_the_other() -> None:
    policies = (*POLICIES, any_policy(replace(LISTED_ANY, levels=("api",))))
    use("AnyPolicy", "api", "request", LISTED_ANY.example, policies)
    with pytest.raises(Invalid):
        use("AnyPolicy", "operation", "request", LISTED_ANY.example, policies)


def test_two_policies_cannot_claim_one_name() -> None:
    with pytest.raises(ValueError, match="AnyPolicy"):
        conf_format((*POLICIES, any_policy(), any_policy()))
    again = SimpleNamespace(
        conf_part=ConfPart(fields=(ConfField("rateLimit", ("api",), TEXT, {}),))
    )
    with pytest.raises(ValueError, match="rateLimit"):
        conf_format((*POLICIES, again))


def undescribed(schema: Any, path: str = "") -> Iterator[str]:
    """The fields of a schema that have no description, by their path."""
    if isinstance(schema, list):
        for item in schema:
            yield from undescribed(item, path)
    if not isinstance(schema, dict):
        return
    for name, value in (schema.get("properties") or {}).items():
        if "const" not in value and not value.get("description"):
            yield f"{path}{name}"
    for key, value in schema.items():
        inner = (
            f"{path}{key}."
            if key not in ("properties", "allOf", "items", "anyOf")
            else path
        )
        yield from undescribed(value, inner)


def test_every_field_of_every_policy_has_a_description() -> None:
    assert sorted(set(undescribed(json_schema(POLICIES)))) == []


def test_a_policy_without_descriptions_is_named_and_breaks_no_schema() -> None:
    policies = (*POLICIES, any_policy(replace(LISTED_ANY, descriptions={})))
    (found,) = set(undescribed(json_schema(policies)))
    assert found.endswith("addresses")
