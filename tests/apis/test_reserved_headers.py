"""Who may set which header: one list for confs, issuers, callers and scripts."""

from __future__ import annotations

import re

import pytest

from kapi.apis.header_rules import header_fault
from kapi.apis.reserved_headers import (
    CALLER,
    GATEWAY_PREFIXES,
    MESSAGE,
    may_hold_backend_jwt,
    may_hold_claim,
    may_hold_credential,
)
from kapi.gateway.envoy.resources.edge_headers import removed_at_edge
from kapi.gateway.envoy.resources.tokens.jwt import mappable
from kapi.policies.lua import script

OWN = tuple(f"{prefix}iss" for prefix in GATEWAY_PREFIXES)


@pytest.mark.parametrize("name", [*sorted(MESSAGE), *OWN])
@pytest.mark.parametrize(
    "spelled", [str.lower, str.upper, lambda name: name.replace("-", "_")]
)
def test_what_frames_a_message_or_is_the_gateways_is_for_nobody_else(
    name: str, spelled: object
) -> None:
    written = spelled(name)  # type: ignore[operator]
    assert header_fault(written)
    assert {
        rule(written)
        for rule in (
            may_hold_claim,
            may_hold_backend_jwt,
            may_hold_credential,
            mappable,
        )
    } == {False}


@pytest.mark.parametrize(
    "name", [*CALLER, *OWN, "x-original-url", "proxy-authorization"]
)
def test_what_is_removed_from_callers_holds_no_credential(name: str) -> None:
    """A credential there would be gone before it is read."""
    assert removed_at_edge(name)
    assert not may_hold_credential(name)


@pytest.mark.parametrize(
    ("name", "claim", "jwt", "credential"),
    [
        ("authorization", False, False, True),
        ("cookie", False, False, False),
        ("x-api-key", True, True, True),
        ("api_key", True, True, True),
        ("x-jwt-assertion", True, True, False),
        ("x-wso2-organization", True, True, True),
        ("x-forwarded-user", False, True, False),
        ("content-language", False, True, False),
        ("via", False, True, False),
        (":path", False, False, False),
    ],
)
def test_who_may_set_it(name: str, claim: bool, jwt: bool, credential: bool) -> None:
    assert (
        may_hold_claim(name),
        may_hold_backend_jwt(name),
        may_hold_credential(name),
    ) == (
        claim,
        jwt,
        credential,
    )


@pytest.mark.parametrize("name", ["interceptor", "sandbox_handle"])
def test_scripts_keep_to_the_same_list(name: str) -> None:
    """An interceptor service and a script of an API cannot change what frames a message."""
    table = re.search(r"local KEPT = \{(.*?)\}", script(name), re.DOTALL)
    assert table
    names = re.findall(r'(?:\["([a-z0-9-]+)"\]|\b([a-z]+)) = true', table[1])
    assert {quoted or plain for quoted, plain in names} == MESSAGE
