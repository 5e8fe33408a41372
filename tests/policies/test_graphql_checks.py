"""The built module as the check of GraphQL requests, beside graphql-core: what is executed was
declared, counted and allowed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import graphql
import pytest
from envoy_host import Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema

START = 1_800_000_000
SDL = """
interface Node { id: ID }
type Query implements Node { id: ID a(x: Int, y: In): T b: [T!] c: Int }
type Mutation { m: T n(x: String): Int }
type Subscription { s: Int }
type T implements Node { id: ID t: T u(v: [Int]): Int w: E }
enum E { P Q }
input In { x: Int, y: In, z: [String] }
"""
SCHEMA = graphql.build_schema(SDL)
FIELDS = [
    *(f"query {name}" for name in ("id", "a", "b", "c", "__schema", "__type")),
    *("mutation m", "mutation n", "subscription s"),
]
OPEN = "o\t\t"
JSON = {":method": "POST", ":path": "/api/1.0", "content-type": "application/json"}


def asks(
    thread: Thread,
    body: Any,
    rules: dict[str, str],
    *,
    options: str = "",
    credentials: str = "t",
    headers: dict[str, str] | None = None,
    facts: dict[str, bytes] | None = None,
) -> Reply | None:
    """The refusal of a request at a route that says this of its operations; None when it passes."""
    texts = {"kind": f"graphql\t{credentials}\t{options}", **rules}
    thread.properties = {name: text.encode() for name, text in texts.items()} | (
        facts or {}
    )
    thread.headers[0] = {**JSON, **(headers or {})}
    raw = (
        body
        if isinstance(body, bytes)
        else json.dumps(body).encode()
        if body is not None
        else b""
    )
    answer = thread.request(body=raw)
    return answer if isinstance(answer, Reply) else None


def code(reply: Reply | None) -> str:
    return "" if reply is None else json.loads(reply.body)["code"]


def executed(
    text: str, name: str | None, schema: graphql.GraphQLSchema = SCHEMA
) -> Counter[str]:
    """What graphql-core calls of the root fields."""
    called: Counter[str] = Counter()

    def resolve(_: Any, info: graphql.GraphQLResolveInfo, **__: Any) -> Any:
        if info.parent_type in roots:
            called[f"{info.operation.operation.value} {info.field_name}"] += 1
        if graphql.is_list_type(graphql.get_nullable_type(info.return_type)):
            return []
        return (
            {}
            if graphql.is_composite_type(graphql.get_named_type(info.return_type))
            else None
        )

    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    document = graphql.parse(text)
    graphql.execute_sync(schema, document, operation_name=name, field_resolver=resolve)
    return called


def mentioned(text: str) -> set[str]:
    """The root fields that the operations of a document name, whatever conditions are on them."""
    document = graphql.parse(text)
    fragments = {
        item.name.value: item
        for item in document.definitions
        if isinstance(item, graphql.FragmentDefinitionNode)
    }
    found: set[str] = set()

    def walk(operation: str, selections: Any) -> None:
        for item in selections.selections:
            if isinstance(item, graphql.FieldNode):
                found.add(f"{operation} {item.name.value}")
            elif isinstance(item, graphql.InlineFragmentNode):
                walk(operation, item.selection_set)
            else:
                walk(operation, fragments[item.name.value].selection_set)

    for item in document.definitions:
        if isinstance(item, graphql.OperationDefinitionNode):
            walk(item.operation.value, item.selection_set)
    return {name for name in found if not name.endswith("__typename")}


NAMES = st.sampled_from(["A", "B", "C"])
BLANK = st.sampled_from([" ", "\n", ",", "\t", " # } a\n", "\ufeff", "\r\n"])
VALUE = st.recursive(
    st.sampled_from(
        [
            "1",
            "-0.5e3",
            "true",
            "null",
            "P",
            "$v",
            '"a } b"',
            '"\\u007d\\""',
            '"""{ c \\""" }"""',
            '""',
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{' '.join(items)}]")
        | st.lists(inner, max_size=2).map(
            lambda items: "{{{}}}".format(
                " ".join(f"k{n}:{item}" for n, item in enumerate(items))
            )
        )
    ),
    max_leaves=4,
)
ARGUMENTS = st.lists(VALUE, max_size=2).map(
    lambda values: (
        f"({','.join(f'x{n}: {item}' for n, item in enumerate(values))})"
        if values
        else ""
    )
)
DIRECTIVE = st.sampled_from(
    ["", "", "", "@skip(if: true)", "@include(if: $v)", "@x @y(z: {})"]
)


def selection(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    field = st.builds(
        lambda key, name, arguments, directive, inside: (
            f"{key}{name}{arguments}{directive}{inside}"
        ),
        st.sampled_from(["", "", "x:", "a : "]),
        st.sampled_from(
            ["a", "b", "c", "m", "n", "s", "t", "__typename", "__schema", "fields"]
        ),
        ARGUMENTS,
        DIRECTIVE,
        st.just("") | inner,
    )
    spread = st.builds(
        lambda name, directive: f"...{name}{directive}", NAMES, DIRECTIVE
    )
    condition = st.sampled_from(["", "on Query", "on Node", "on T", "on Mutation"])
    inline = st.builds(
        lambda on, directive, inside: f"...{on}{directive}{inside}",
        condition,
        DIRECTIVE,
        inner,
    )
    return field | spread | inline


SETS = st.recursive(
    st.sampled_from(["{a}", "{b c}", "{m}", "{...A}"]),
    lambda inner: st.lists(
        st.tuples(selection(inner), BLANK), min_size=1, max_size=3
    ).map(lambda items: "{{{}}}".format("".join(map("".join, items)))),
    max_leaves=8,
)
OPERATION = st.builds(
    lambda kind, name, variables, directive, inside: (
        f"{kind} {name}{variables}{directive}{inside}"
    ),
    st.sampled_from(["query", "query", "mutation", "subscription"]),
    st.sampled_from(["", "A", "B"]),
    st.sampled_from(
        ["", "($v: Boolean = true)", '($v: [In!]! = [{x: 1}] @d, $w: ID = "$")']
    ),
    DIRECTIVE,
    SETS,
)
FRAGMENT = st.builds(
    lambda name, on, directive, inside: f"fragment {name} on {on} {directive}{inside}",
    *(NAMES, st.sampled_from(["Query", "Node", "T", "Mutation"]), DIRECTIVE, SETS),
)
DOCUMENTS = st.lists(OPERATION | FRAGMENT | SETS, min_size=1, max_size=5).map(" ".join)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from([*list('{}()[]:"\\#.,$@!&|\n\r'), '"""', "on", "0", "\x00"]),
    ),
    max_size=3,
)


def edited(text: str, edits: list[tuple[int, str]]) -> str:
    for place, what in edits:
        at = place % (len(text) + 1)
        text = text[:at] + what + text[at + place % 2 :]
    return text


THREAD = Thread(Shared(START))


@settings(max_examples=80, deadline=None)
@given(
    st.builds(edited, DOCUMENTS, st.just([]) | EDITS),
    st.none() | NAMES,
    st.sets(st.sampled_from(FIELDS), max_size=8),
)
def test_what_is_executed_was_declared(
    text: str, name: str | None, declared: set[str]
) -> None:
    rules = dict.fromkeys(declared, OPEN)
    refused = asks(THREAD, {"query": text, "operationName": name}, rules)
    try:
        document = graphql.parse(text)
    except graphql.GraphQLError:
        assert code(refused) == "900422"
        return
    if refused is None:
        assert set(executed(text, name)) <= declared
        return
    valid = not graphql.validate(SCHEMA, document) and (
        name in {getattr(item.name, "value", None) for item in document.definitions}
        if name
        else sum(
            isinstance(i, graphql.OperationDefinitionNode) for i in document.definitions
        )
        == 1
    )
    if valid and mentioned(text) <= declared:
        introspection = any("__" in item for item in mentioned(text))
        assert introspection
        assert code(refused) == "900821"


@st.composite
def schemas(draw: st.DrawFn) -> graphql.GraphQLSchema:
    """Root types by any names, which may be each other's, with interfaces and unions."""
    names = draw(st.permutations(["Query", "Mutation", "T", "Root"]))
    types = ["Int", "String!", "[Node]", "U", *(f"[{name}!]" for name in names)]
    fields = st.lists(
        st.sampled_from(["a", "b", "c", "m", "n", "s", "t", "fields", "id"]),
        min_size=1,
        unique=True,
    )
    parts = [
        f"type {name} implements Node {{ id: ID "
        + " ".join(
            f"{field}: {draw(st.sampled_from(types))}"
            for field in draw(fields)
            if field != "id"
        )
        + " }"
        for name in names
    ]
    roots = (
        f"schema {{ query: {names[0]} mutation: {names[1]} subscription: {names[2]} }}"
    )
    union = f"union U = {' | '.join(names)}"
    return graphql.build_schema(
        f"interface Node {{ id: ID }} {roots} {union} {' '.join(parts)}"
    )


@pytest.mark.long
@settings(max_examples=3_000, deadline=None)
@given(
    schemas(),
    st.builds(edited, DOCUMENTS, st.just([]) | EDITS),
    st.none() | NAMES,
    st.sets(
        st.sampled_from(
            [*FIELDS, "query m", "query s", "query t", "mutation a", "mutation c"]
        )
    ),
)
def test_what_is_executed_was_declared_whatever_the_schema(
    schema: graphql.GraphQLSchema, text: str, name: str | None, declared: set[str]
) -> None:
    if (
        asks(
            THREAD,
            {"query": text, "operationName": name},
            dict.fromkeys(declared, OPEN),
        )
        is None
    ):
        assert set(executed(text, name, schema)) <= declared


@settings(max_examples=60, deadline=None)
@given(from_schema(SDL), st.sets(st.sampled_from(FIELDS)))
def test_valid_documents_pass_if_all_they_name_is_declared(
    text: str, declared: set[str]
) -> None:
    named = mentioned(text)
    assert asks(THREAD, {"query": text}, dict.fromkeys(named, OPEN)) is None
    passed = asks(THREAD, {"query": text}, dict.fromkeys(declared, OPEN)) is None
    assert passed == (named <= declared)


@settings(max_examples=60, deadline=None)
@given(st.builds(edited, DOCUMENTS, st.just([])), st.none() | NAMES)
def test_what_is_executed_is_counted(text: str, name: str | None) -> None:
    shared = Shared(START)
    rules = {item: f"o\t\tr\t{item}\t1000\t60\t900802" for item in FIELDS}
    if asks(Thread(shared), {"query": text, "operationName": name}, rules):
        return
    counted = Counter[str]()
    for shard, _ in shared.data.values():
        at = 0
        while at < len(shard):
            size = int.from_bytes(shard[at + 12 : at + 14], "little")
            key = shard[at + 14 : at + 14 + size].decode()
            counted[key] = int.from_bytes(shard[at + 8 : at + 12], "little")
            at += 14 + size
    assert executed(text, name) <= counted


def test_aliases_count_apart_and_repeated_fields_once() -> None:
    thread = Thread(Shared(START))
    rules = {"query a": "o\t\tr\tk\t3\t60\t900802"}
    query = "{ a a ...F ... { a } } fragment F on Query { a x: a }"
    assert asks(thread, {"query": query}, rules) is None
    assert code(asks(thread, {"query": query}, rules)) == "900802"
    assert asks(thread, {"query": "{ a }"}, rules) is None


def test_only_the_operation_that_is_executed_is_counted_but_all_are_checked() -> None:
    thread = Thread(Shared(START))
    limited = {
        "query a": "o\t\tr\tk\t1\t60\t900802",
        "query b": OPEN,
        "mutation m": "\t\t",
    }
    query = "query A { a { id } } query B { b { id } }"
    for _ in range(3):
        assert asks(thread, {"query": query, "operationName": "B"}, limited) is None
    both = {
        "query": "query B { b { id } } mutation M { m { id } }",
        "operationName": "B",
    }
    assert code(asks(thread, both, limited)) == "900902"


def token(scope: str | list[str]) -> dict[str, bytes]:
    if isinstance(scope, str):
        return {"iss": b"https://issuer", "scope": scope.encode()}
    return {"iss": b"https://issuer"} | {
        f"scp/{n}": item.encode() for n, item in enumerate(scope)
    }


def test_a_token_needs_all_scopes_of_one_alternative() -> None:
    rules = {"query a": '\tr w"admin\t', "query b": "\t\t"}

    def answer(query: str, facts: dict[str, bytes]) -> str:
        return code(asks(THREAD, {"query": query}, rules, facts=facts))

    assert answer("{a{id}}", {}) == "900902"
    assert answer("{b{id}}", {}) == "900902"
    assert answer("{b{id}}", token("")) == ""
    assert answer("{a{id}}", token("r")) == "900910"
    assert answer("{a{id}}", token("x admin")) == ""
    assert answer("{a{id}}", token(["w", "r"])) == ""
    assert answer("{a{id}}", token(["r w"])) == "900910"
    assert answer("{a{id}}", token("r w") | {"own_scopes": b"\1"}) == "900910"
    own = {"own_scopes": b"\1", "scopes/0": b"admin"}
    assert answer("{a{id}}", token("") | own) == ""
    # The refusal says what a token needs.
    reply = asks(THREAD, {"query": "{b{id} z:a{id}}"}, rules, facts=token("r"))
    assert reply is not None
    assert 'scope="r w"' in reply.headers["www-authenticate"]
    assert "query a" in json.loads(reply.body)["error_description"]


def test_the_credentials_of_a_route_are_what_the_caller_must_come_with() -> None:
    key, certificate = {"api_key": b"\1"}, {"certificate": b"\1"}
    cases = {
        "t": [token("")],
        "k": [key],
        "tk": [token(""), key],
        "c": [certificate],
        "mt": [token("") | certificate],
        "mc": [certificate],
    }
    for letters, good in cases.items():
        for facts in ({}, token(""), key, certificate, token("") | certificate):
            passed = not asks(
                THREAD,
                {"query": "{a}"},
                {"query a": "\t\t"},
                credentials=letters,
                facts=facts,
            )
            assert passed == any(item.items() <= facts.items() for item in good)


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        ("{a{t{t{id}}}}", "depth=4", ""),
        ("{a{t{t{t{id}}}}}", "depth=4", "900820"),
        (
            "{...F} fragment F on Query{a{...G}} fragment G on T{t{t{t{id}}}}",
            "depth=4",
            "900820",
        ),
        ("{a{id t{id}} b{id}}", "complexity=6", ""),
        ("{a{id t{id}} b{id} c}", "complexity=6", "900821"),
        ("{a{...F ...F ...F}} fragment F on T{x:id y:id}", "complexity=6", "900821"),
        ("{x:a{id} y:b{z:id}}", "aliases=3", ""),
        ("{x:a{id} y:b{z:id} u:c}", "aliases=3", "900821"),
        (graphql.get_introspection_query(), "depth=3 complexity=5 aliases=1", ""),
        ("{__schema{types{fields{type{fields{type{fields{name}}}}}}}}", "", "900821"),
        ("{a" * 300 + "}" * 300, "", "900820"),
        ("{a(x:" + "[" * 300 + "]" * 300 + ")}", "", "900820"),
        ("{...F} fragment F on Query{a{...G}} fragment G on T{t{...F}}", "", "900422"),
        ("{...F}", "", "900422"),
        ("{a} {b}", "", "900422"),
        ("query A{a} query A{b}", "", "900422"),
        ("{...F} fragment F on Query{a} fragment F on Query{b}", "", "900422"),
        ("type Query{a: Int}", "", "900422"),
        ("{nothing}", "", "900422"),
        ("", "", "900422"),
        ('"Says more" query A{a} "and more" fragment F on T{id}', "", ""),
        ("{" + "a " * 20_001 + "}", "", "900422"),
    ],
)
def test_documents_over_a_limit_are_refused(
    query: str, options: str, expected: str
) -> None:
    rules = dict.fromkeys(FIELDS, OPEN)
    assert code(asks(THREAD, {"query": query}, rules, options=options)) == expected


def test_fragments_that_double_each_other_cost_no_time() -> None:
    chain = " ".join(
        f"fragment F{n} on T{{...F{n + 1} ...F{n + 1}}}" for n in range(150)
    )
    query = f"{{a{{...F0}}}} {chain} fragment F150 on T{{id}}"
    answer = asks(
        THREAD, {"query": query}, dict.fromkeys(FIELDS, OPEN), options="complexity=1000"
    )
    assert code(answer) == "900821"


@pytest.mark.parametrize(
    "body",
    [
        b'{"query":"{a}","query":"{b}"}',
        b'{"query":"{a}","qu\\u0065ry":"{b}"}',
        b'{"query":"{a}","QUERY":"{b}"}',
        b'{"query":"{a}","id":"x"}',
        b'{"query":"{a}","variables":{"x":1,"x":2}}',
        b'{"query":"{a}","variables":[]}',
        b'{"query":"{a}","operationName":1}',
        b'{"query":"{a}"} {"query":"{b}"}',
        b'\xef\xbb\xbf{"query":"{a}"}',
        b'{"query":"{a}\xff"}',
        b'{"query":"{a}","extensions":{"persistedquery":{"sha256Hash":"x"}}}',
        b'{"query":"{a}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"%s"}}}'
        % (b"0" * 64),
        b'{"query":null}',
        b'"{a}"',
        b"[]",
        b"[" * 100_000,
        b'[{"query":"{a}"},{"query":"{nothing}"}]',
        b'[[{"query":"{a}"}]]',
        b"{" + b",".join(b'"%d":0' % n for n in range(20_000)) + b"}",
        b"query=%7Ba%7D",
    ],
)
def test_bodies_that_servers_may_read_otherwise_are_refused(body: bytes) -> None:
    rules = dict.fromkeys(FIELDS, OPEN)
    assert code(asks(THREAD, body, rules, options="batch=5")) == "900422"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 0),
        ({"content-type": "application/json; charset=utf-16"}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/graphql"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({":path": "/api/1.0?query={b}"}, 400),
        ({":path": "/api/1.0?%71uery[]={b}"}, 400),
        ({":path": "/api/1.0?documentId=1"}, 400),
        ({":path": "/api/1.0?trace=1&user=a%20b"}, 0),
        ({":path": "/api/1.0?trace=1;query=%7Bb%7D"}, 400),
        ({":method": "GET"}, 400),
        ({":method": "PUT"}, 405),
    ],
)
def test_a_post_has_json_in_its_body_and_no_request_elsewhere(
    headers: dict[str, str], status: int
) -> None:
    reply = asks(
        THREAD, {"query": "{a}"}, {"query a": OPEN, "query b": OPEN}, headers=headers
    )
    assert (reply.status if reply else 0) == status


def test_queries_come_by_get_and_nothing_else_does() -> None:
    rules = dict.fromkeys(FIELDS, OPEN)

    def get(parameters: str) -> Reply | None:
        headers = {":method": "GET", ":path": f"/api/1.0?{parameters}"}
        return asks(THREAD, None, rules, headers=headers)

    assert (
        get(urlencode({"query": "{ a b }", "variables": '{"x": 1}', "other": "1"}))
        is None
    )
    assert get("query=query+A{a}+query+B{b}&operationName=B") is None
    refused = get("query=mutation{m}")
    assert refused is not None
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    for parameters in (
        *("", "query={a}&query={b}", "query={a}&Query={b}", "query={a}&query%00={b}"),
        *("query={nothing}", "query=%7", "query=%ff", "query={a}&variables=[1]"),
    ):
        assert code(get(parameters)) == "900422", parameters


def test_each_request_of_a_batch_is_checked_and_counted() -> None:
    thread = Thread(Shared(START))
    rules = {"query a": "o\t\tr\tk\t5\t60\t900802"}
    one = {"query": "{a}"}
    assert code(asks(thread, [one], rules)) == "900422"
    assert code(asks(thread, [one] * 4, rules, options="batch=3")) == "900422"
    assert asks(thread, [one] * 3, rules, options="batch=3") is None
    assert code(asks(thread, [one] * 3, rules, options="batch=3")) == "900802"
    assert asks(thread, [one] * 2, rules, options="batch=3") is None


def persisted(query: str) -> dict[str, Any]:
    digest = hashlib.sha256(query.encode()).hexdigest()
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}}


def test_a_persisted_query_is_checked_by_the_text_that_came_before() -> None:
    shared = Shared(START)
    first, second = Thread(shared), Thread(shared)
    rules = {"query a": "\tr\t"}
    unknown = asks(first, persisted("{a}"), rules, facts=token("r"))
    assert unknown is not None
    assert unknown.status == 200
    error = json.loads(unknown.body)["errors"][0]
    assert (error["message"], error["extensions"]["code"]) == (
        "PersistedQueryNotFound",
        "PERSISTED_QUERY_NOT_FOUND",
    )
    assert (
        asks(first, {"query": "{a}", **persisted("{a}")}, rules, facts=token("r"))
        is None
    )
    assert asks(second, persisted("{a}"), rules, facts=token("r")) is None
    assert code(asks(second, persisted("{a}"), rules, facts=token("x"))) == "900910"
    by_get = urlencode({"extensions": json.dumps(persisted("{a}")["extensions"])})
    headers = {":method": "GET", ":path": f"/api/1.0?{by_get}"}
    assert asks(second, None, rules, facts=token("r"), headers=headers) is None
    # What was refused is not kept.
    assert asks(
        first, {"query": "{a b}", **persisted("{a b}")}, rules, facts=token("r")
    )
    again = asks(first, persisted("{a b}"), rules, facts=token("r"))
    assert again is not None
    assert again.details == "kapi_not_persisted"


def test_many_persisted_queries_take_a_bounded_number_of_slots() -> None:
    shared = Shared(START)
    thread = Thread(shared)
    for number in range(1100):
        query = f"query Q{number} {{a}}"
        assert (
            asks(thread, {"query": query, **persisted(query)}, {"query a": OPEN})
            is None
        )
    assert len(shared.data) <= 1024
    assert asks(thread, persisted("query Q1099 {a}"), {"query a": OPEN}) is None


def test_an_error_has_the_form_that_the_caller_speaks() -> None:
    accept = {"accept": "application/json;q=0.5, application/graphql-response+json"}
    reply = asks(THREAD, {"query": "{"}, {}, headers=accept)
    assert reply is not None
    assert reply.headers["content-type"] == "application/graphql-response+json"
    body = json.loads(reply.body)
    assert list(body) == ["errors"]
    assert body["errors"][0]["extensions"]["code"] == "900422"
    assert "line 1, column 2" in body["errors"][0]["message"]
    never = {"accept": "application/graphql-response+json;q=0"}
    assert code(asks(THREAD, {"query": "{"}, {}, headers=never)) == "900422"


@settings(max_examples=80, deadline=None)
@given(
    st.text(max_size=30)
    | st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.booleans(),
    EDITS,
)
def test_json_is_read_as_python_reads_it(
    text: str, ascii_only: bool, edits: list[Any]
) -> None:
    """A document behind any JSON value passes exactly when the value is JSON without a member
    twice.
    """
    variables = edited(text, edits) if ascii_only else text

    def strict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise ValueError
        return made

    body = f'{{"variables":{{"v":{variables}}},"query":"{{a}}"}}'
    try:
        read = json.loads(
            body, object_pairs_hook=strict, parse_constant=lambda _: {}["NaN"]
        )
        json.dumps(read, ensure_ascii=False).encode()
        good = read.keys() == {"variables", "query"} and read["query"] == "{a}"
    except (ValueError, KeyError, RecursionError):
        good = False
    assert (asks(THREAD, body.encode(), {"query a": OPEN}) is None) == good
