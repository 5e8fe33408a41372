"""What a deployment changes, computed from the APIs of the touched segments alone."""

from __future__ import annotations

from pathlib import Path

from live_gateway import api, operation

from kapi.apis.ir import Api, Endpoint
from kapi.gateway.deployment.change import Change, change_of, resources_of
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.names import CLUSTER, SCOPE, Names
from kapi.settings import Settings

CONTEXT = render_context(Settings(Path("/data")))


def simple(base: str, host: str) -> Api:
    return api(base, [operation("GET", "/x", Endpoint("http", host, 80))])


def backends(change: Change) -> set[str]:
    return {item.name for item in change.changed if item.type_url == CLUSTER}


def scopes(change: Change) -> set[str]:
    return {item.name for item in change.changed if item.type_url == SCOPE}


def test_a_new_api_adds_its_scope_and_its_cluster() -> None:
    change = change_of({"pets": [simple("/pets", "one")]}, {}, CONTEXT, "mark")
    assert scopes(change) == {"pets"}
    assert backends(change) == change.names["pets"].backends
    assert change.removed == change.dropped == ()
    assert resources_of(change.rendered) == change.changed
    assert {item.fingerprint for item in change.rendered} == {"mark"}


def test_the_last_api_of_a_segment_takes_scope_and_cluster_away() -> None:
    before = change_of({"pets": [simple("/pets", "one")]}, {}, CONTEXT, "mark").names
    change = change_of({"pets": []}, before, CONTEXT, "mark")
    (backend,) = before["pets"].backends
    assert change.changed == change.rendered == ()
    assert change.removed == ((SCOPE, "pets"), (CLUSTER, backend))
    assert change.dropped == (("scope", "pets"), ("cluster", backend))


def test_a_backend_that_another_segment_names_stays() -> None:
    pets, zoo = [simple("/pets", "one")], [simple("/zoo", "one")]
    before = change_of({"pets": pets, "zoo": zoo}, {}, CONTEXT, "mark").names
    change = change_of({"pets": []}, before, CONTEXT, "mark")
    assert change.removed == ((SCOPE, "pets"),)
    assert change.dropped == (("scope", "pets"),)


def test_a_replaced_backend_is_removed_and_the_new_one_added() -> None:
    before = change_of({"pets": [simple("/pets", "one")]}, {}, CONTEXT, "mark").names
    change = change_of({"pets": [simple("/pets", "two")]}, before, CONTEXT, "mark")
    (old,) = before["pets"].backends
    (new,) = change.names["pets"].backends
    assert backends(change) == {new} != {old}
    assert change.removed == ((CLUSTER, old),)


def test_a_segment_of_the_system_keeps_its_scope_without_an_api() -> None:
    """The store does not keep it: it contains system routes only, which each start renders."""
    change = change_of({"health": []}, {"health": Names()}, CONTEXT, "mark")
    assert scopes(change) == {"health"}
    assert change.rendered == ()
    assert change.removed == ()
    assert change.dropped == (("scope", "health"),)
