"""The built module and calls that last: which it ends at a tick, and what passes of what a client
sends.
"""

from __future__ import annotations

import struct

import pytest
from envoy_host import ROOTS, Reply, Shared, Thread, compiled
from hypothesis import given, settings
from hypothesis import strategies as st

from kapi.policies.admission import HEADERS_MODULE

NOW = 1_800_000_000
ISSUER = b"https://issuer.example"
CLOSE = b"\x88\x93\0\0\0\0" + struct.pack(">H", 1008) + b"too many messages"


def token(
    jti: bytes, expires: float = NOW + 3600, issuer: bytes = ISSUER
) -> dict[str, bytes]:
    return {"iss": issuer, "jti": jti, "exp": struct.pack("<d", expires)}


def key(name: bytes, expires: bytes = b"") -> dict[str, bytes]:
    return {"key_issuer": b"https://keys", "key_id": name, "key_expires": expires}


def revoke(thread: Thread, *pairs: tuple[str, str]) -> None:
    """What the control process posts to the socket of the counters."""
    thread.properties, thread.headers[0] = {}, {":path": "/revoked"}
    lines = "".join(f"{issuer}\t{jti}\n" for issuer, jti in pairs)
    reply = thread.request("ledger", lines.encode() or b"\n")
    assert isinstance(reply, Reply)
    assert reply.status == 200
    thread.headers[0] = {}


def frame(payload: bytes, first: int = 0x82) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes((first,)) + length + b"mask" + payload


def limited(thread: Thread, per_second: int) -> int:
    thread.headers[0] = {"upgrade": "websocket"}
    return thread.opened(messages=str(per_second).encode())


def test_a_call_ends_when_its_token_expires() -> None:
    thread = Thread(Shared(NOW))
    first = thread.opened(**token(b"1", NOW + 10))
    thread.opened(**token(b"2", NOW + 20))
    thread.opened()
    thread.shared.now = NOW + 9.9
    assert thread.tick() == []
    thread.shared.now = NOW + 10
    assert thread.tick() == [first]
    assert thread.tick() == []


def test_an_api_key_expires_too_and_the_first_of_two_credentials_counts() -> None:
    thread = Thread(Shared(NOW))
    expiring = thread.opened(**key(b"k1", str(NOW + 5).encode()))
    thread.opened(**key(b"k2"))
    both = thread.opened(**token(b"3"), **key(b"k3", str(NOW + 5).encode()))
    thread.shared.now = NOW + 5
    assert thread.tick() == [expiring, both]


def test_a_revoked_credential_ends_its_calls_in_every_thread() -> None:
    shared = Shared(NOW)
    one, other = Thread(shared), Thread(shared)
    mine = one.opened(**token(b"bad"))
    one.opened(**token(b"good"))
    theirs = [other.opened(**token(b"bad")), other.opened(**key(b"bad"))]
    revoke(one, (ISSUER.decode(), "bad"), (ISSUER.decode(), "unknown"))
    assert one.tick() == [mine]
    assert other.tick() == theirs[:1]
    revoke(other, ("", "bad"))
    assert (one.tick(), other.tick()) == ([], theirs[1:])


def test_a_call_that_was_let_in_by_the_list_before_ends_too() -> None:
    thread = Thread(Shared(NOW))
    revoke(thread, (ISSUER.decode(), "bad"))
    assert thread.tick() == []
    late = thread.opened(**token(b"bad"))
    assert thread.tick() == [late]
    # From now on the deny list refuses such a call.
    thread.opened(**token(b"bad"))
    assert thread.tick() == []


def test_a_thread_that_missed_a_batch_ends_what_may_have_been_revoked() -> None:
    thread = Thread(Shared(NOW))
    revocable = [thread.opened(**token(b"1")), thread.opened(**key(b"k"))]
    thread.opened(**token(b""))
    thread.opened()
    for number in range(64):
        revoke(thread, ("", f"other-{number}"))
    assert thread.tick() == []
    for number in range(65):
        revoke(thread, ("", f"other-{number}"))
    assert thread.tick() == revocable


def test_what_was_revoked_before_a_thread_began_concerns_no_call_of_it() -> None:
    shared = Shared(NOW)
    early = Thread(shared)
    for number in range(100):
        revoke(early, ("", str(number)))
    late = Thread(shared)
    late.opened(**token(b"5"))
    assert late.tick() == []


def test_the_end_of_the_machine_ends_every_call() -> None:
    thread = Thread(Shared(NOW))
    calls = [thread.opened(**token(b"1")), thread.opened()]
    assert thread.call("proxy_on_done", calls[0]) == 1
    assert thread.closed == []
    assert thread.call("proxy_on_done", ROOTS["stream"]) == 1
    assert thread.closed == calls


def test_a_call_that_has_ended_is_forgotten() -> None:
    thread = Thread(Shared(NOW))
    thread.call("proxy_on_delete", thread.opened(**token(b"1", NOW + 1)))
    thread.shared.now = NOW + 2
    assert thread.tick() == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_messages_of_a_second_pass_however_they_are_cut(
    data: st.DataObject,
) -> None:
    thread = Thread(Shared(NOW))
    allowed = data.draw(st.integers(1, 6))
    sizes = data.draw(
        st.lists(st.sampled_from((0, 1, 125, 126, 300, 65536)), max_size=9)
    )
    opcodes = data.draw(
        st.lists(
            st.sampled_from((0x81, 0x82, 0x01, 0x80, 0x89)), min_size=9, max_size=9
        )
    )
    frames = [
        frame(b"x" * size, first) for size, first in zip(sizes, opcodes, strict=False)
    ]
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    context = limited(thread, allowed)
    passed = b"".join(thread.sent(context, piece) for piece in pieces)
    end = CLOSE if len(frames) > allowed else b""
    assert passed == b"".join(frames[:allowed]) + end


def shown(payload: bytes, first: int = 0x82) -> bytes:
    """A frame of the backend, which is not masked."""
    return bytes((first, len(payload))) + payload


def close(code: int, reason: bytes, *, masked: bool) -> bytes:
    payload = struct.pack(">H", code) + reason
    if masked:
        return bytes((0x88, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((0x88, len(payload))) + payload


EXPIRED, REVOKED = b"the credential has expired", b"the credential was revoked"
ENDED, CHANGED = (
    b"the subscription to the API has ended",
    b"the API was changed or removed",
)


def socket(thread: Thread, **properties: bytes) -> int:
    thread.headers[0], thread.headers[2] = {"upgrade": "websocket"}, {":status": "101"}
    context = thread.opened(**{"messages": b"", **properties})
    assert thread.call("proxy_on_response_headers", context, 1, 0) == 0
    thread.headers[0] = {}
    return context


@pytest.mark.parametrize(("protocol", "code"), [(b"", 1008), (b"graphql", 4401)])
def test_a_socket_whose_token_has_expired_is_closed_from_both_sides(
    protocol: bytes, code: int
) -> None:
    thread = Thread(Shared(NOW))
    context = socket(thread, protocol=protocol, **token(b"1", NOW + 5))
    assert thread.sent(context, frame(b"hello")[:4]) == frame(b"hello")[:4]
    assert thread.came(context, shown(b"hello")[:3]) == shown(b"hello")[:3]
    thread.shared.now = NOW + 5
    assert thread.tick() == []
    # What began is completed, and nothing follows.
    rest = frame(b"hello")[4:]
    assert thread.sent(context, rest + frame(b"more")) == rest + close(
        code, EXPIRED, masked=True
    )
    assert thread.sent(context, frame(b"more")) == b""
    rest = shown(b"hello")[3:]
    assert thread.came(context, rest + shown(b"m")) == rest + close(
        code, EXPIRED, masked=False
    )
    assert thread.came(context, shown(b"more")) == b""
    assert thread.tick() == [context]


def test_a_silent_socket_has_five_seconds_for_its_close_frame() -> None:
    thread = Thread(Shared(NOW))
    context = socket(thread, **token(b"bad"))
    revoke(thread, (ISSUER.decode(), "bad"))
    assert thread.tick() == []
    assert thread.came(context, b"") == b""
    thread.shared.now = NOW + 4
    assert thread.tick() == []
    thread.shared.now = NOW + 5
    assert thread.tick() == [context]


def test_a_backend_that_takes_no_upgrade_is_not_read() -> None:
    thread = Thread(Shared(NOW))
    thread.headers[0], thread.headers[2] = {"upgrade": "websocket"}, {":status": "426"}
    context = thread.opened(messages=b"", **token(b"1", NOW + 1))
    thread.call("proxy_on_response_headers", context, 1, 0)
    thread.shared.now = NOW + 1
    assert thread.tick() == [context]


def test_calls_end_when_the_rules_of_their_route_are_gone() -> None:
    shared = Shared(NOW)
    one, other = Thread(shared), Thread(shared)
    cut = one.opened(rules=b"kapi.rules:1")
    closed = socket(other, rules=b"kapi.rules:1", protocol=b"graphql")
    one.opened(rules=b"kapi.rules:2")
    revoke(one, ("kapi:rules", "kapi.rules:1"))
    assert (one.tick(), other.tick()) == ([cut], [])
    assert other.came(closed, shown(b"x")) == close(1001, CHANGED, masked=False)


def direct(thread: Thread, *records: str) -> None:
    """What the control process posts of the directory."""
    thread.properties, thread.headers[0] = {}, {":path": "/directory"}
    reply = thread.request("ledger", "\f".join(records).encode())
    assert isinstance(reply, Reply)
    assert reply.status == 200
    thread.headers[0] = {}


def test_calls_end_with_the_subscription_of_their_application() -> None:
    shared = Shared(NOW)
    thread, other = Thread(shared), Thread(shared)
    consumer = "k\torg\tshop\n1\nid\torg\t\t\nA\tACTIVE"
    direct(thread, "i\tISSUER\n1\nazp", consumer, "g\n1")
    caller = {"iss": b"ISSUER", "azp": b"shop", "jti": b"1", "place": b"A\torg\t\tv"}
    assert thread.tick() == other.tick() == []
    plain, unasked = (
        thread.opened(**caller),
        thread.opened(**{**caller, "place": b"A\torg\t\tt"}),
    )
    graphql = socket(other, protocol=b"graphql", **caller)
    direct(thread, "k\torg\tother\n1\nid\torg\t\t\n")
    assert thread.tick() == other.tick() == thread.tick() == other.tick() == []
    direct(thread, consumer.replace("ACTIVE", "BLOCKED"))
    assert (thread.tick(), other.tick()) == ([plain], [])
    assert other.came(graphql, shown(b"x")) == close(4403, ENDED, masked=False)
    direct(thread, "k\torg\tshop\n")
    assert thread.tick() == []
    assert unasked not in thread.closed


def test_a_call_ends_with_the_certificate_of_its_client() -> None:
    thread = Thread(Shared(NOW))
    context = thread.opened(certificate_expires=str(NOW + 7).encode())
    thread.shared.now = NOW + 6
    assert thread.tick() == []
    thread.shared.now = NOW + 7
    assert thread.tick() == [context]


def test_room_for_messages_comes_back_with_time() -> None:
    thread = Thread(Shared(NOW))
    context = limited(thread, 10)
    for _ in range(40):
        thread.shared.now += 0.1
        assert thread.sent(context, frame(b"x")) == frame(b"x")
    thread.shared.now += 60
    assert thread.sent(context, frame(b"x") * 10) == frame(b"x") * 10
    assert thread.sent(context, frame(b"x")) == CLOSE


def test_a_backend_that_does_not_close_has_five_seconds() -> None:
    thread = Thread(Shared(NOW))
    context = limited(thread, 1)
    assert thread.sent(context, frame(b"x") * 3) == frame(b"x") + CLOSE
    assert thread.sent(context, frame(b"more")) == b""
    thread.shared.now = NOW + 4
    assert thread.tick() == []
    thread.shared.now = NOW + 5
    assert thread.tick() == [context]


@pytest.mark.parametrize("headers", [{}, {"upgrade": "websocket"}])
def test_what_is_not_a_limited_web_socket_is_not_read(headers: dict[str, str]) -> None:
    thread = Thread(Shared(NOW))
    thread.headers[0] = headers
    more = {} if headers else {"messages": b"1"}
    context = thread.opened(**more)
    assert thread.sent(context, b"any bytes" * 9) == b"any bytes" * 9


def test_envoy_does_not_call_the_module_of_handshakes_for_each_frame() -> None:
    module = compiled(HEADERS_MODULE)
    exports = {item.name for item in module.exports}
    assert {"proxy_on_request_headers", "proxy_on_tick", "proxy_on_done"} <= exports
    assert not {name for name in exports if "body" in name or "trailers" in name}
