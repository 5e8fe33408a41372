"""The built module and calls that last: which it ends at a tick, and what passes of what a client
sends.
"""

from __future__ import annotations

import struct

import pytest
import wasmtime
from envoy_host import ENGINE, ROOTS, Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st

from kapi.policies.admission import HEADERS_MODULE

NOW = 1_800_000_000
ISSUER = b"https://issuer.example"
CLOSE = b"\x88\x93\0\0\0\0" + struct.pack(">H", 1008) + b"too many messages"


def token(jti: bytes, expires: float = NOW + 3600, issuer: bytes = ISSUER) -> dict[str, bytes]:
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
def test_the_messages_of_a_second_pass_however_they_are_cut(data: st.DataObject) -> None:
    thread = Thread(Shared(NOW))
    allowed = data.draw(st.integers(1, 6))
    sizes = data.draw(st.lists(st.sampled_from((0, 1, 125, 126, 300, 65536)), max_size=9))
    opcodes = data.draw(
        st.lists(st.sampled_from((0x81, 0x82, 0x01, 0x80, 0x89)), min_size=9, max_size=9)
    )
    frames = [frame(b"x" * size, first) for size, first in zip(sizes, opcodes, strict=False)]
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    context = limited(thread, allowed)
    passed = b"".join(thread.sent(context, piece) for piece in pieces)
    end = CLOSE if len(frames) > allowed else b""
    assert passed == b"".join(frames[:allowed]) + end


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
    module = wasmtime.Module.from_file(ENGINE, HEADERS_MODULE)
    exports = {item.name for item in module.exports}
    assert {"proxy_on_request_headers", "proxy_on_tick", "proxy_on_done"} <= exports
    assert not {name for name in exports if "body" in name or "trailers" in name}
