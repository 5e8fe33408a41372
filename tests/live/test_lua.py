"""Lua scripts of an API through the whole platform: what they can do, and all that they cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from test_interceptors import deploy

from harness import DEFINITION, Answer, Platform
from interceptor_service import caller, policy

FAILED = {"error_message": "Internal Server Error", "code": "901100"}


def scripts(*sources: str, flow: str = "request") -> dict[str, Any]:
    return {
        flow: [
            policy("LuaInterceptor", name=f"script-{number}", sourceCode=source)
            for number, source in enumerate(sources)
        ]
    }


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token("items:read")


def run(
    platform: Platform,
    echo: int,
    token: str,
    source: str,
    *arguments: str,
    path: str = "/items/1",
) -> Answer:
    """Deploy an API with one script in both lists, and call it."""
    policies = {**scripts(source), **scripts(source, flow="response")}
    base = deploy(platform, "lua", echo, apiPolicies=policies)
    return caller(platform, base)(path, *arguments, token=token)


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_a_script_changes_request_and_response(
    platform: Platform, echo: int, token: str, http: str
) -> None:
    source = """
    function envoy_on_request(handle)
      local body = handle:body()
      handle:headers():add("x-length", body and body:length() or 0)
      handle:headers():remove("x-removed")
      handle:streamInfo():dynamicMetadata():set("mine", "method", handle:headers():get(":method"))
    end
    function envoy_on_response(handle)
      local mine = handle:streamInfo():dynamicMetadata():get("mine")
      handle:headers():replace("x-method", mine.method)
      handle:headers():replace("x-lines", select(2, (""):gsub("\\n", "")))
    end
    """
    base = deploy(platform, f"lua{http[-1]}", echo, apiPolicies=scripts(source))
    answer = caller(platform, base, http)(
        "/items/1", "-d", "hello", "-H", "x-removed: 1", token=token
    )
    assert answer.status == 200, answer.body
    assert answer.json()["headers"]["x-length"] == "5"
    assert "x-removed" not in answer.json()["headers"]
    assert answer.headers["x-method"] == "POST"


def test_scripts_run_in_order_and_back(
    platform: Platform, echo: int, token: str
) -> None:
    def script(word: str) -> str:
        return (
            'function envoy_on_request(h) h:headers():replace("x-way", (h:headers():get("x-way") '
            f'or "") .. "{word}") end\n'
            'function envoy_on_response(h) h:headers():replace("x-way", (h:headers():get("x-way") '
            f'or "") .. "{word}") end'
        )

    operations = [
        {
            "target": "/items/{id}",
            "verb": "GET",
            "operationPolicies": scripts(script("c")),
        }
    ]
    base = deploy(
        platform,
        "way",
        echo,
        operations=operations,
        apiPolicies=scripts(script("a"), script("b")),
    )
    answer = caller(platform, base)("/items/1", token=token)
    assert (answer.json()["headers"]["x-way"], answer.headers["x-way"]) == (
        "abc",
        "cba",
    )


def test_a_script_may_answer(platform: Platform, echo: int, token: str) -> None:
    answer = run(
        platform,
        echo,
        token,
        'function envoy_on_request(h) h:respond({[":status"] = "418", ["x-a"] = "b"}, "tea") end',
    )
    assert (answer.status, answer.headers["x-a"], answer.body) == (418, "b", b"tea")


def test_scripts_come_after_the_checks(platform: Platform, echo: int) -> None:
    answer = run(
        platform,
        echo,
        "",
        'function envoy_on_request(h) h:respond({[":status"] = "200"}, "in") end',
    )
    assert answer.json()["code"] == "900902"


KEY = 'h:importPublicKey("x", 1)'

ESCAPES = {
    "files": 'io.open("/etc/passwd")',
    "processes": 'os.execute("id")',
    "environment": 'os.getenv("PATH")',
    "packages": 'require("ffi")',
    "loaders": 'load("return 1")()',
    "bytecode": "string.dump(function() end)",
    "string methods": '("").dump(function() end)',
    "debug": "debug.getregistry()",
    "environments": "setfenv(0, {})",
    "jit": "jit.on()",
    "other clusters": (
        'h:httpCall("control", {[":method"] = "GET", [":path"] = "/", [":authority"] = "a"}, "", '
        "100)"
    ),
    "other clusters, by hand": 'local call = h.httpCall; call(h, "control", {}, "", 1)',
    "another route": "h:clearRouteCache()",
    "another host": 'h:setUpstreamOverrideHost("127.0.0.1:1", true)',
    "the handle below": "getmetatable(h).__index(nil, 'httpCall')",
    "our metadata": 'h:streamInfo():dynamicMetadata():set("kapi.guard", "route", "x")',
    "verified claims": (
        'h:streamInfo():dynamicMetadata():set("envoy.filters.http.jwt_authn", "jwt_payload", {sub '
        '= "x"})'
    ),
    "the connection": "h:connectionStreamInfo()",
    "the connection's end": "h:streamInfo():drainConnectionUponCompletion()",
    "the sandbox": "SCRIPTS[1].source = ''",
    "memory": '("x"):rep(1e9)',
    "garbage collector": "collectgarbage('stop')",
    "coroutines": "coroutine.create(function() end)",
    "a string of handles": "h.headers = 1",
    "methods that are not on the list": "h:virtualHost():metadata()",
    "the configuration of its filter": "h:filterContext()",
    "a key of another length": 'h:importPublicKey("x", 1000000000)',
    "a key of a negative length": 'h:importPublicKey("x", -1)',
    "a key of half a length": 'h:importPublicKey("xyz", 0.5)',
    "a signature of another length": f'h:verifySignature("sha256", {KEY}, "x", 1000000000, "y", 1)',
    "a content of another length": f'h:verifySignature("sha256", {KEY}, "x", 1, "y", 1000000000)',
    "a key that is none": 'h:verifySignature("sha256", h:headers(), "x", 1, "y", 1)',
    "bytes outside of a body": "h:body(true):getBytes(0, 1000000000)",
    "bytes before a body": "h:body(true):getBytes(-1, 1)",
    "two headers in one value": 'h:headers():add("x-a", "b\\r\\nx-evil: 1")',
    "two headers in a new value": 'h:headers():replace("x-a", "b\\nx-evil: 1")',
    "two headers in one name": 'h:headers():add("x-a: b\\r\\nx-evil", "1")',
    "the end of a value": 'h:headers():add("x-a", "b\\0c")',
    "two headers in an answer": (
        'h:respond({[":status"] = "200", ["x-a"] = "b\\r\\nx-evil: 1"}, "in")'
    ),
    "two headers in a list of an answer": (
        'h:respond({[":status"] = "200", ["x-a"] = {"a", "b\\r\\nx-evil: 1"}}, "in")'
    ),
    "a line in a reason": 'h:headers():setHttp1ReasonPhrase("OK\\r\\nx-evil: 1")',
    "a status that is none": 'h:headers():replace(":status", "many")',
    "an answer without a status": 'h:respond({["x-a"] = "b"}, "in")',
    "two requests in one path": 'h:headers():replace(":path", "/ HTTP/1.1\\r\\nx-evil: 1")',
    "no path": 'h:headers():remove(":path")',
    "another length of the message": 'h:headers():replace("content-length", "1")',
    "another framing": 'h:headers():add("Transfer-Encoding", "chunked")',
    "metadata without an end": (
        'local t = {} t.t = t h:streamInfo():dynamicMetadata():set("mine", "t", t)'
    ),
    "a function as metadata": (
        'h:streamInfo():dynamicMetadata():set("mine", "f", print or function() end)'
    ),
    "memory by doubling": 'local s = "x" for i = 1, 30 do s = s .. s end',
    "memory by many at once": f'local s = ("x"):rep(2 ^ 18) s = {"..".join(["s"] * 150)}',
    "memory by tables": "local t = {} for i = 1, 1e9 do t[i] = {i} end",
    "memory by joining": (
        "local s, t = ('x'):rep(2 ^ 18), {} for i = 1, 9999 do t[i] = s end s = table.concat(t)"
    ),
    "memory by replacing": 'local s = ("x"):rep(2 ^ 17) s = s:gsub("x", s)',
    "memory by replacing with a function": (
        'local s = ("x"):rep(2 ^ 17) s = s:gsub("x", function() return s end)'
    ),
    "memory by repeating what is between": 'local s = (""):rep(1e9, "xxxx")',
    "memory by filling in": (
        f'local s = ("x"):rep(2 ^ 18) s = ("{"%s" * 150}"):format({",".join(["s"] * 150)})'
    ),
    "memory outside of the script": (
        'for i = 1, 1e6 do h:headers():add("x-" .. i, ("x"):rep(9999)) end'
    ),
    "memory that is caught": "pcall(function() local s = 'x' for i = 1, 30 do s = s .. s end end)",
    "a mistake with a life of its own": (
        "error(setmetatable({}, {__tostring = function() while true do end end}))"
    ),
}


FLOWS = ("request", "response")


@pytest.fixture(scope="module")
def prison(platform: Platform, echo: int) -> str:
    """One API with an operation for each attempt."""
    operations = [
        {
            "target": f"/{number}/{flow}",
            "verb": "GET",
            "operationPolicies": scripts(
                f'function envoy_on_{flow}(h) {attempt} h:headers():add("x-out", "1") end'
            ),
        }
        for number, attempt in enumerate(ESCAPES.values())
        for flow in FLOWS
    ]
    return deploy(platform, "prison", echo, operations=operations)


@pytest.mark.parametrize("what", ESCAPES)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_script_reaches_nothing_but_its_call(
    platform: Platform, prison: str, token: str, what: str, flow: str
) -> None:
    answer = caller(platform, prison)(
        f"/{list(ESCAPES).index(what)}/{flow}", token=token
    )
    assert (answer.status, answer.json() | FAILED) == (500, answer.json())
    assert b"backend" not in answer.body


def test_no_global_leads_out(platform: Platform, echo: int, token: str) -> None:
    source = """
    local allowed = {assert=1, bit=1, error=1, getmetatable=1, ipairs=1, math=1, next=1,
      os=1, pairs=1, pcall=1, rawequal=1, rawget=1, rawset=1,
      select=1, setmetatable=1, string=1, table=1, tonumber=1, tostring=1, type=1,
      unpack=1, _G=1, envoy_on_request=1}
    function envoy_on_request(h)
      for name in pairs(_G) do if not allowed[name] then h:headers():add("x-leak", name) end end
      for name in pairs(os) do h:headers():add("x-os", name) end
    end
    """
    headers = run(platform, echo, token, source).json()["headers"]
    assert "x-leak" not in headers
    assert set(headers["x-os"].split(",")) <= {"clock", "date", "difftime", "time"}


LOOPS = {
    "request": "function envoy_on_request(h) while true do end end",
    "response": "function envoy_on_response(h) while true do end end",
    "caught": (
        "function envoy_on_request(h) while true do pcall(function() while true do end end) end end"
    ),
    "patterns": "function envoy_on_request(h) (('a'):rep(5000)):find(('a*'):rep(20) .. 'b') end",
    "patterns of captures": (
        "function envoy_on_request(h) (('a'):rep(5000)):match(('(.-)'):rep(20) .. 'b') end"
    ),
    "replacing": (
        "function envoy_on_request(h) (('a'):rep(5000)):gsub(('.-'):rep(20) .. 'b', '') end"
    ),
    "searches": (
        "function envoy_on_request(h) local s = ('a'):rep(2 ^ 18) while true do s:find(s .. 'b', "
        "1, true) end end"
    ),
    "sorting": (
        "function envoy_on_request(h) local t = {} for i = 1, 1e5 do t[i] = i % 7 end "
        "while true do table.sort(t) table.insert(t, 1, 0) end end"
    ),
    "an empty table": (
        "function envoy_on_request(h) local t = {} for i = 1, 4e5 do t[i] = true end "
        "for i = 1, 4e5 do t[i] = nil end while true do next(t) end end"
    ),
    "logs": "function envoy_on_request(h) while true do h:logErr(('x'):rep(1e5)) end end",
    "recursion": "function envoy_on_request(h) local function f() return 1 + f() end f() end",
}


@pytest.mark.parametrize("what", LOOPS)
def test_a_script_that_does_not_end_is_ended(
    platform: Platform, echo: int, token: str, what: str
) -> None:
    answer = run(platform, echo, token, LOOPS[what])
    assert (answer.status, answer.json()["code"]) == (500, "901100")
    assert caller(platform, "/lua/1.0.0")("/items/1").json()["code"] == "900902", (
        "refusals do not come to the script"
    )


def test_ordinary_work_stays_within_the_limits(
    platform: Platform, echo: int, token: str
) -> None:
    source = """
    function envoy_on_request(h)
      local body = h:body():getBytes(0, h:body():length())
      local words = {}
      for word in body:gmatch("%a+") do words[#words + 1] = word end
      h:headers():add("x-words", #words)
      h:headers():add("x-trimmed", #body:gsub("^%s*(.-)%s*$", "%1"))
      h:headers():add("x-shorter", #body:gsub("%s+", " "))
      h:headers():add("x-last", (body:match("(%a+)%s*$")))
      h:headers():add("x-place", (select(2, body:find("end$"))))
      h:headers():add("x-safe", h:base64Escape(table.concat({"a", 1}, "-")))
      local given = {}
      for name, value in pairs(h:headers()) do given[name] = value end
      h:headers():add("x-given", given[":method"] .. given["x-words"])
      h:streamInfo():dynamicMetadata():set("mine", "list", {1, "two", {three = true}})
      h:headers():add("x-list", h:streamInfo():dynamicMetadata():get("mine").list[2])
      h:body():setBytes(body .. "!")
    end
    """
    body = "  " + "word   " * 3_000 + "end"
    base = deploy(platform, "work", echo, apiPolicies=scripts(source))
    headers = caller(platform, base)("/items/1", "-d", body, token=token).json()[
        "headers"
    ]
    assert (headers["x-words"], headers["x-trimmed"], headers["x-shorter"]) == (
        "3001",
        str(len(body) - 2),
        str(1 + 3_000 * 5 + 3),
    )
    assert (headers["x-last"], headers["x-place"], headers["x-safe"]) == (
        "end",
        str(len(body)),
        "YS0x",
    )
    assert (headers["x-given"], headers["x-list"], headers["content-length"]) == (
        "POST3001",
        "two",
        str(len(body) + 1),
    )


def test_a_script_checks_signatures(platform: Platform, echo: int, token: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = key.sign(b"content", padding.PKCS1v15(), hashes.SHA256())

    def quoted(content: bytes) -> str:
        return '"' + "".join(f"\\{byte:03d}" for byte in content) + '"'

    source = f"""
    local der, signature = {quoted(der)}, {quoted(signature)}
    function envoy_on_request(h)
      local key = kept or h:importPublicKey(der, #der)
      kept = key
      local function verified(text)
        return (h:verifySignature("sha256", key:get(), signature, #signature, text, #text))
      end
      h:headers():add("x-good", tostring(verified("content")))
      h:headers():add("x-bad", tostring(verified("contents")))
    end
    """
    base = deploy(platform, "signed", echo, apiPolicies=scripts(source))
    first = caller(platform, base)("/items/1", token=token)
    assert (first.json()["headers"]["x-good"], first.json()["headers"]["x-bad"]) == (
        "true",
        "false",
    )
    # A key ends with its call: each thread gives one good answer, then refusals, and none reads
    # what is gone.
    assert {
        caller(platform, base)("/items/1", token=token).status for _ in range(12)
    } <= {200, 500}


def test_a_script_cannot_log_credentials(platform: Platform, echo: int) -> None:
    secret = platform.token("items:read")
    answer = run(
        platform,
        echo,
        secret,
        'function envoy_on_request(h) h:logErr("seen: " .. h:headers():get("authorization")) end',
    )
    assert answer.status == 200
    run(
        platform,
        echo,
        secret,
        f'function envoy_on_request(h) h:logErr("it is Bearer {secret}") h:logErr("{secret}") end',
    )
    assert secret not in (platform.data_dir / "logs" / "envoy.log").read_text()


@pytest.mark.parametrize(
    "source", ["\x1bLJ\x02\x02", "\r\x1bLJ\x02\x02", "\r\n\r\x1bLJ\x02\x02"]
)
def test_scripts_are_texts(platform: Platform, echo: int, source: str) -> None:
    data = {
        "name": "code",
        "basePath": "/code",
        "version": "1",
        "type": "REST",
        "operations": [{"target": "/a", "verb": "GET"}],
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
    }
    assert (
        platform.deploy(
            json.dumps(data | {"apiPolicies": scripts(source)}), DEFINITION
        ).status
        == 400
    )
    platform.cli(
        "secret",
        "set",
        "code",
        "lua",
        "--file",
        "-",
        stdin="function envoy_on_request(h) end",
    )
    named = {"request": [policy("LuaInterceptor", name="kept", sourceCodeRef="code")]}
    assert (
        platform.deploy(json.dumps(data | {"apiPolicies": named}), DEFINITION).status
        == 200
    )
    assert (
        platform.cli(
            "secret", "set", "code", "lua", "--file", "-", stdin=source, check=False
        ).returncode
        != 0
    )


def test_apis_share_no_state(platform: Platform, echo: int, token: str) -> None:
    count = (
        "n = (n or 0) + 1 string.n = n function envoy_on_request(h) n = n + 1 string.n = n "
        'h:headers():add("x-n", n .. "," .. tostring(string.n)) end'
    )
    first = deploy(platform, "state1", echo, apiPolicies=scripts(count))
    second = deploy(
        platform,
        "state2",
        echo,
        apiPolicies=scripts(
            'function envoy_on_request(h) h:headers():add("x-n", tostring(n) .. '
            "tostring(string.n)) end"
        ),
    )
    assert (
        caller(platform, first)("/items/1", token=token)
        .json()["headers"]["x-n"]
        .startswith("2,")
    )
    assert (
        caller(platform, second)("/items/1", token=token).json()["headers"]["x-n"]
        == "nilnil"
    )


def test_a_changed_path_leads_to_no_other_api(
    platform: Platform, echo: int, other_echo: int, token: str
) -> None:
    deploy(
        platform,
        "victim",
        other_echo,
        operations=[{"target": "/secret", "verb": "GET", "scopes": ["nobody"]}],
    )
    source = """function envoy_on_request(h)
      h:headers():replace(":path", "/victim/1.0.0/secret")
      h:headers():replace("x-kapi-url", "default.gw.wso2.com/victim/1.0.0/secret")
      h:headers():replace("x-kapi-endpoint", "sandbox")
      h:headers():replace(":authority", "default.gw.wso2.com")
    end"""
    assert run(platform, echo, token, source).json()["port"] == echo


def test_a_script_with_a_mistake_is_refused_by_its_name_and_line(
    platform: Platform, echo: int
) -> None:
    data = {
        "name": "bad",
        "basePath": "/bad",
        "version": "1",
        "type": "REST",
        "operations": [{"target": "/a", "verb": "GET"}],
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
        "apiPolicies": scripts("function envoy_on_request(h)\n  h:headers(\nend"),
    }
    answer = platform.deploy(json.dumps(data), DEFINITION)
    assert answer.status == 400
    assert b"script-0:3:" in answer.body


def test_a_script_from_a_named_secret_changes_without_a_redeployment(
    platform: Platform, echo: int, token: str
) -> None:
    def kept(word: str) -> str:
        return f'function envoy_on_request(h) h:headers():add("x-kept", "{word}") end'

    platform.cli("secret", "set", "scripts", "lua", "--file", "-", stdin=kept("one"))
    base = deploy(
        platform,
        "kept",
        echo,
        apiPolicies={
            "request": [policy("LuaInterceptor", name="kept", sourceCodeRef="scripts")]
        },
    )
    call = caller(platform, base)
    assert call("/items/1", token=token).json()["headers"]["x-kept"] == "one"
    platform.cli("secret", "set", "scripts", "lua", "--file", "-", stdin=kept("two"))
    assert call("/items/1", token=token).json()["headers"]["x-kept"] == "two"
    refused = platform.cli(
        "secret",
        "set",
        "scripts",
        "lua",
        "--file",
        "-",
        stdin="function (",
        check=False,
    )
    assert refused.returncode != 0
    assert call("/items/1", token=token).json()["headers"]["x-kept"] == "two"
