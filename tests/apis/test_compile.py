"""Compile and merge: ids, paths, the echoed conf, and APIs beside one another."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kapi.apis.compile import api_id, compile_api
from kapi.apis.merge import Placement, Places, conflicts
from kapi.errors import Invalid
from kapi.policies import POLICIES

CONF = """---
name: "Orders"
basePath: "/orders"
version: "1.0.0"
type: "REST"
endpointConfigurations:
  production:
    endpoint: "http://backend:8080"
operations:
- target: "/orders"
  verb: "GET"
  scopes: []
"""
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "Orders", "version": "1"}, "paths": {"/orders": '
    b'{"get": {}}}}'
)


def test_ids_are_those_of_apk() -> None:
    assert (
        api_id("default", "InterceptorAPI", "1.0.0")
        == "547961eeaafed989119c45ffc13f8b87bfda821d"
    )
    assert (
        api_id("org1", "EmployeeServiceAPI", "3.14")
        == "432bf873bf751ad714ddc635b0a4d9d194b39eb3"
    )
    assert (
        api_id("org2", "EmployeeServiceAPI", "3.14")
        == "d45e79bec8c4b2d3a7543e09530e0a995ea68691"
    )


def test_the_answer_is_the_conf_with_its_id_first() -> None:
    compiled = compile_api(
        CONF.encode(), DEFINITION, organization="default", policies=POLICIES
    )
    assert compiled.conf_text == CONF.replace(
        "---\n", f'---\nid: "{compiled.api.id}"\n'
    )
    again = compile_api(
        compiled.conf_text.encode(),
        DEFINITION,
        organization="default",
        policies=POLICIES,
    )
    assert (again.api, again.conf_text) == (compiled.api, compiled.conf_text)


def test_texts_survive_the_echo_whatever_they_hold() -> None:
    value = 'a "b" \\ \n\t\u0085\u2028 \U0001f600 \x7f #:{}'
    conf = yaml.safe_load(CONF) | {
        "additionalProperties": [{"name": "n", "value": value}]
    }
    compiled = compile_api(
        yaml.safe_dump(conf).encode(),
        DEFINITION,
        organization="default",
        policies=POLICIES,
    )
    assert compiled.api.properties == (("n", value),)
    assert yaml.safe_load(compiled.conf_text)["additionalProperties"] == [
        {"name": "n", "value": value}
    ]


@pytest.mark.parametrize(
    ("base_path", "version", "default", "expected"),
    [
        ("/orders", "1.0.0", "false", ("/orders/1.0.0",)),
        ("/orders", "1.0.0", "true", ("/orders/1.0.0", "/orders")),
        ("/orders/1.0.0", "1.0.0", "true", ("/orders/1.0.0", "/orders")),
        ("/orders1", "1", "true", ("/orders1/1", "/orders1")),
    ],
)
def test_base_paths(
    base_path: str, version: str, default: str, expected: tuple[str, ...]
) -> None:
    conf = CONF.replace('"/orders"\nversion', f'"{base_path}"\nversion').replace(
        '"1.0.0"\n', f'"{version}"\ndefaultVersion: {default}\n'
    )
    assert (
        compile_api(
            conf.encode(), DEFINITION, organization="default", policies=POLICIES
        ).api.base_paths
        == expected
    )


def test_mistakes_of_conf_definition_and_organization_come_together() -> None:
    with pytest.raises(Invalid) as caught:
        compile_api(
            CONF.replace("GET", "get").encode(),
            b'{"openapi": "3.0.3"}',
            organization="Org 1",
            policies=POLICIES,
        )
    assert {item.source for item in caught.value.diagnostics} == {
        "organization",
        "apkConfiguration",
        "definitionFile",
    }
    assert caught.value.code == "909029"


def test_a_target_keeps_its_last_slash() -> None:
    conf = CONF + '- {target: "/x/", verb: GET}\n- {target: "/x", verb: GET}\n'
    made = compile_api(
        conf.encode(), DEFINITION, organization="default", policies=POLICIES
    ).api
    assert {"/x", "/x/"} <= {operation.target for operation in made.operations}


def place(
    identity: str,
    *,
    organization: str = "default",
    environment: str = "",
    paths: tuple[str, ...] = ("/a/1",),
) -> Placement:
    return Placement(identity, organization, "A", "1", environment, paths)


def test_the_same_api_again_replaces_it() -> None:
    assert conflicts(place("1"), [place("1"), place("2", paths=("/b/1",))]) == ()


def test_a_base_path_is_taken_once_per_host() -> None:
    assert [
        item.code
        for item in conflicts(place("1"), [place("2", paths=("/b/1", "/a/1"))])
    ] == ["KAPI1401"]
    assert (
        conflicts(
            place("1"), [place("2", environment="dev"), place("3", organization="org2")]
        )
        == ()
    )


def test_two_organizations_whose_hosts_are_the_same_text_collide_without_telling_the_name() -> (
    None
):
    found = conflicts(
        place("1", organization="a", environment="b-c"),
        [place("2", organization="a-b", environment="c")],
    )
    assert [(item.code, item.message) for item in found] == [
        ("KAPI1401", "base path /a/1 is taken by another organization")
    ]


@pytest.mark.parametrize(
    ("new", "deployed", "code", "message"),
    [
        (
            "/pay/1.0.0/login/v1",
            "/pay/1.0.0",
            "KAPI1401",
            "base path /pay/1.0.0/login/v1 is below a base path of another organization",
        ),
        (
            "/pay/1.0.0",
            "/pay/1.0.0/login/v1",
            "KAPI1401",
            "base path /pay/1.0.0 is above a base path of another organization",
        ),
        (
            "/pay/1.0.0",
            "/pay/1.0.01",
            "KAPI1403",
            "the host a-b is taken by another organization",
        ),
        (
            "/pay/1.0.0",
            "/other/1.0.0",
            "KAPI1403",
            "the host a-b is taken by another organization",
        ),
    ],
)
def test_a_host_belongs_to_one_organization(
    new: str, deployed: str, code: str, message: str
) -> None:
    one = {"organization": "a", "environment": "b"}
    two = {"organization": "a-b", "environment": ""}
    for first, second in ((one, two), (two, one)):
        found = conflicts(
            place("1", paths=(new,), **first), [place("2", paths=(deployed,), **second)]
        )
        assert [(item.code, item.message) for item in found] == [(code, message)]


def test_base_paths_of_one_organization_may_be_below_each_other() -> None:
    assert (
        conflicts(
            place("1", paths=("/pay/1.0.0/login/v1",)),
            [place("2", paths=("/pay/1.0.0",))],
        )
        == ()
    )


def test_an_id_of_another_organization_cannot_be_taken() -> None:
    assert [
        item.code for item in conflicts(place("1", organization="org2"), [place("1")])
    ] == ["KAPI1402"]


@pytest.mark.parametrize(
    ("name", "version", "codes"),
    [("A", "1", []), ("A", "2", []), ("B", "1", []), ("B", "2", ["KAPI1402"])],
)
def test_an_id_replaces_unless_name_and_version_are_both_others(
    name: str, version: str, codes: list[str]
) -> None:
    new = dataclasses.replace(place("1"), name=name, version=version)
    found = conflicts(new, [place("1")])
    assert [item.code for item in found] == codes
    assert all("is the id of A 1" in item.message for item in found)


def test_two_names_and_versions_that_make_one_id_are_a_conflict() -> None:
    assert api_id("default", "a-b", "c") == api_id("default", "a", "b-c")
    new = dataclasses.replace(place("1"), name="a", version="b-c")
    assert conflicts(new, [dataclasses.replace(place("1"), name="a-b", version="c")])


PLACES = st.builds(
    Placement,
    st.sampled_from(["i1", "i2", "i3"]),
    st.sampled_from(["a", "a-b", "b"]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["", "b"]),
    st.lists(st.sampled_from(["/p/1", "/p", "/q/1"]), min_size=1, max_size=2).map(
        tuple
    ),
)


@given(PLACES, st.lists(PLACES, max_size=6))
def test_only_those_in_the_way_are_looked_at(
    new: Placement, others: list[Placement]
) -> None:
    current = {item.id: item for item in others}
    assert conflicts(new, Places(others).rivals(new)) == conflicts(
        new, current.values()
    )


def test_few_of_many_are_in_the_way() -> None:
    many = Places(
        place(f"i{number}", paths=(f"/p{number}/1",)) for number in range(20_000)
    )
    found = many.rivals(place("i1", paths=("/p7/1", "/new/1")))
    assert {item.id for item in found} == {"i1", "i7"}
