"""Resources become the same messages as by protobuf's own reader of JSON form."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from kapi.gateway.envoy.resources.names import CLUSTER, SCOPE
from kapi.gateway.envoy.stream.encode import encode
from kapi.gateway.envoy.stream.wire import Unusual, message_bytes

CASES = sorted((Path(__file__).parents[1] / "golden").glob("*/envoy.yaml"))
KINDS = {"clusters": (CLUSTER, Cluster), "scopes": (SCOPE, ScopedRouteConfiguration)}


@pytest.fixture(scope="module")
def resources() -> list[tuple[str, Any, dict[str, Any]]]:
    """Every cluster and scope of the golden cases."""
    found = []
    for case in CASES:
        content = yaml.load(case.read_text(), Loader=yaml.CSafeLoader)
        for part, (type_url, kind) in KINDS.items():
            found += [(type_url, kind, value) for value in content.get(part) or ()]
    return found


def test_every_resource_of_the_golden_cases_is_read_without_the_other_reader(
    resources,
) -> None:
    assert len(resources) > 200
    for type_url, kind, value in resources:
        encode(type_url, value)  # imports the messages that it names
        known = copy.deepcopy(value)
        _without_unknown(known)
        before = copy.deepcopy(known)
        made = message_bytes(kind.DESCRIPTOR, known)
        assert known == before
        read = ParseDict(copy.deepcopy(known), kind())
        # Protobuf writes the maps inside of an `Any` in the order of the dictionary.
        assert MessageToDict(kind.FromString(made)) == MessageToDict(read)
        assert len(made) == read.ByteSize()


def _without_unknown(value: Any) -> None:
    """Remove the field of Envoy 1.40 that the published classes lack."""
    for host in value.get("route_configuration", {}).get("virtual_hosts", ()):
        for route in host.get("routes", ()):
            route.get("route", {}).get("retry_policy", {}).pop(
                "refresh_cluster_on_retry", None
            )


@pytest.mark.parametrize(
    "value",
    [
        {"connect_timeout": "0.25s"},
        {"connectTimeout": "1.5s"},
        {"connect_timeout": None},
        {"type": "STATIC"},
        {"type": 1},
        {"per_connection_buffer_limit_bytes": 7},
        {"per_connection_buffer_limit_bytes": "7"},
        {
            "metadata": {
                "filter_metadata": {"a": {"b": [1, True, None, "x", {"c": {}}, []]}}
            }
        },
        {"metadata": {"filter_metadata": {"a": {}}}},
        {"typed_extension_protocol_options": {}},
        {"load_assignment": {}},
    ],
)
def test_what_is_unusual_is_read_all_the_same(value: dict[str, Any]) -> None:
    given = {"name": "a", **value}
    expected = ParseDict(copy.deepcopy(given), Cluster()).SerializeToString(
        deterministic=True
    )
    assert encode(CLUSTER, given).body == expected


@pytest.mark.parametrize(
    "value",
    [
        {"nonsense": 1},
        {"name": 1},
        {"type": "NONE"},
        {"connect_timeout": 1},
        {"load_assignment": 1},
    ],
)
def test_mistakes_are_named_by_protobuf(value: dict[str, Any]) -> None:
    with pytest.raises((Unusual, KeyError, TypeError, ValueError, AttributeError)):
        message_bytes(Cluster.DESCRIPTOR, {"name": "a", **value})
    with pytest.raises(ParseError):
        encode(CLUSTER, {"name": "a", **value})
