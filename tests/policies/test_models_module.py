"""The built module chooses the models of a call, suspends them, and writes the request for one."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from envoy_host import Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = ("default/a", "default/b", "default/c")
BASES = ("/v1", "", "/v1/deep")
JSON = "application/json"


def at_route(thread: Thread, *weights: int, selection: str = "w") -> list[int] | Reply:
    """The models of a call in their order, or the refusal."""
    fields = [selection]
    for key, weight in zip(KEYS, weights, strict=False):
        fields += (key, str(weight))
    thread.properties = {"models": "\t".join(fields).encode(), "usage": b"a\tb\tc"}
    thread.headers[0] = {}
    answer = thread.request()
    if isinstance(answer, Reply):
        return answer
    order = [int(number) for number in thread.headers[0]["x-kapi-models"].split(",")]
    assert thread.headers[0]["x-kapi-model"] == str(order[0])
    assert thread.headers[0]["x-envoy-max-retries"] == str(len(order) - 1)
    assert thread.foreign[-1] == "clear_route_cache"
    return order


def model(
    thread: Thread, number: int, before: str = "", after: str = "", seconds: int = 60
) -> int:
    """The context of the filter in a cluster of the model `m<number>`."""
    own = (str(number), json.dumps(f'm"{number}'), f"m{number}%3A", f"host{number}")
    pairs = (f"{key}\t{base}" for key, base in zip(KEYS, BASES, strict=True))
    text = "\n".join(("model", *own, before, after, str(seconds), *pairs))
    root = 100 + number
    thread.buffers[7] = text.encode()
    thread.call("proxy_on_context_create", root, 0)
    assert thread.call("proxy_on_configure", root, len(text.encode())) == 1
    return root


def attempt(thread: Thread, number: int, body: bytes, **answer: str) -> Reply | None:
    """One attempt at a model; `answer` has the headers of what it answers, status among them."""
    thread.reply, thread.headers[2] = None, {}
    thread.contexts += 1
    context = thread.contexts
    thread.call("proxy_on_context_create", context, 100 + number)
    paused = thread.call("proxy_on_request_headers", context, 1, 0)
    if paused:
        assert thread.call("proxy_on_request_body", context, 1, 0) == 1
    thread.buffers[0] = body
    passed = thread.call("proxy_on_request_body", context, len(body), 1)
    if thread.reply is None:
        assert passed == 0
        if answer:
            names = {
                name.replace("status", ":status"): value
                for name, value in answer.items()
            }
            thread.headers[2] = {
                name.replace("_", "-"): value for name, value in names.items()
            }
            thread.call("proxy_on_response_headers", context, 1, 1)
    thread.call("proxy_on_delete", context)
    return thread.reply


def sent(path: str = "/chat", order: str = "0,1,2", **more: str) -> dict[str, str]:
    first = order.split(",", maxsplit=1)[0]
    own = {
        ":path": path,
        ":authority": "x",
        "x-kapi-models": order,
        "x-kapi-model": first,
    }
    return {**own, "content-type": JSON, **more}


def test_shares_are_exact_over_the_sum_of_the_weights() -> None:
    thread = Thread(Shared())
    firsts = Counter(at_route(thread, 5, 3, 2)[0] for _ in range(10))  # type: ignore[index]
    assert firsts == {0: 5, 1: 3, 2: 2}


def test_suspended_models_are_left_out_for_all_threads_until_their_time_is_over() -> (
    None
):
    shared = Shared()
    thread, other = Thread(shared), Thread(shared)
    model(thread, 0)
    thread.headers[0] = sent()
    assert attempt(thread, 0, b"{}", status="402") is None
    for one in (thread, other):
        assert sorted(at_route(one, 1, 1, 1)) == [1, 2]  # type: ignore[type-var]
        assert at_route(one, 1, 1, 1, selection="f") == [1, 2]
    shared.now += 60
    assert at_route(other, 1, 1, 1, selection="f") == [0, 1, 2]


@pytest.mark.parametrize(
    ("answer", "suspends"),
    [
        ({"status": "200"}, False),
        ({"status": "400"}, False),
        ({"status": "404"}, False),
        ({"status": "500"}, True),
        ({"status": "529"}, True),
        ({"status": "200", "x_ratelimit_remaining_tokens": "0"}, True),
        ({"status": "200", "x_ratelimit_remaining_requests": " -1 "}, True),
        ({"status": "200", "x_ratelimit_remaining": "0.5"}, False),
        ({"status": "200", "x_ratelimit_remaining": "none"}, False),
    ],
)
def test_which_answers_suspend_a_model(answer: dict[str, str], suspends: bool) -> None:
    thread = Thread(Shared())
    model(thread, 0)
    thread.headers[0] = sent()
    attempt(thread, 0, b"{}", **answer)
    assert at_route(thread, 1, 1, selection="f") == ([1] if suspends else [0, 1])


def test_all_suspended_is_503_with_the_time_of_the_first_that_returns() -> None:
    shared = Shared()
    thread = Thread(shared)
    for number, seconds in ((0, 60), (1, 30)):
        model(thread, number, seconds=seconds)
        thread.headers[0] = sent(order=str(number))
        attempt(thread, number, b"{}", status="500")
    refused = at_route(thread, 1, 1)
    assert isinstance(refused, Reply)
    assert (refused.status, refused.headers["retry-after"]) == (503, "30")
    assert "suspended" in refused.body
    assert refused.details == "kapi_models_suspended"


def test_each_attempt_begins_where_the_one_before_ended() -> None:
    thread = Thread(Shared())
    for number in range(3):
        model(thread, number)
    thread.headers[0] = sent("/v1/chat?q=/v1", "2,1,0")
    attempt(thread, 2, b'{"model": "x"}', status="503")
    assert (thread.headers[0][":path"], thread.headers[0][":authority"]) == (
        "/v1/deep/v1/chat?q=/v1",
        "host2",
    )
    assert thread.headers[0]["x-kapi-model"] == "1"
    # This one gives no answer.
    attempt(thread, 1, b'{"model": "x"}')
    assert thread.headers[0][":path"] == "/v1/chat?q=/v1"
    attempt(thread, 0, b'{"model": "x"}', status="200")
    assert thread.headers[0][":path"] == "/v1/v1/chat?q=/v1"
    # The last one tells the backend nothing of the gateway.
    assert not {"x-kapi-model", "x-kapi-models"} & set(thread.headers[0])
    assert at_route(thread, 1, 1, 1, selection="f") == [0]


def test_a_model_that_gets_no_answer_is_not_suspended_with_a_duration_of_zero() -> None:
    thread = Thread(Shared())
    for number in (0, 1):
        model(thread, number, seconds=0)
    thread.headers[0] = sent(order="0,1")
    attempt(thread, 0, b"{}")
    attempt(thread, 1, b"{}", status="200")
    assert at_route(thread, 1, 1, selection="f") == [0, 1]


@pytest.mark.parametrize(
    ("path", "before", "after", "expected"),
    [
        ("/deployments/x/chat", "/deployments/", "/", "/deployments/m0%3A/chat"),
        ("/models/x:generate?a", "/models/", ":/", "/models/m0%3A:generate?a"),
        ("/model/a:1/converse", "/model/", "/", "/model/m0%3A/converse"),
        ("/models/x?m=/models/y", "/models/", ":/", "/models/m0%3A?m=/models/y"),
    ],
)
def test_a_path_that_names_a_model_names_the_chosen_one(
    path: str, before: str, after: str, expected: str
) -> None:
    thread = Thread(Shared())
    model(thread, 0, before, after)
    thread.headers[0] = sent(path)
    attempt(thread, 0, b'{"model": "kept"}', status="200")
    assert thread.headers[0][":path"] == "/v1" + expected
    assert thread.buffers[0] == b'{"model": "kept"}'


def test_a_body_that_is_not_json_passes_as_it_is() -> None:
    thread = Thread(Shared())
    model(thread, 0)
    for headers in ({"content-type": "audio/wav"}, {"content-encoding": "gzip"}):
        thread.headers[0] = sent() | headers
        attempt(thread, 0, b"\x00model", status="200")
        assert thread.buffers[0] == b"\x00model"


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"{", b'{"model": 1, "model": 2}', b'{"a": "\xff"}']
)
def test_json_that_is_not_one_object_is_refused(body: bytes) -> None:
    thread = Thread(Shared())
    model(thread, 0)
    thread.headers[0] = sent()
    reply = attempt(thread, 0, body, status="200")
    assert reply is not None
    assert (reply.status, reply.details) == (400, "kapi_model_body")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(given_body=st.dictionaries(st.text(), VALUES, max_size=5), has_model=VALUES)
def test_only_the_model_changes_in_any_body(
    given_body: dict[str, object], has_model: object
) -> None:
    thread = Thread(Shared())
    model(thread, 0)
    for body in (given_body, {**given_body, "model": has_model}):
        text = json.dumps(body).encode()
        thread.headers[0] = sent() | {"content-length": str(len(text))}
        attempt(thread, 0, text, status="200")
        made = thread.buffers[0]
        assert json.loads(made) == {**body, "model": 'm"0'}
        assert thread.headers[0]["content-length"] == str(len(made))
