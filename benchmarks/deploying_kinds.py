"""Deployments of small GraphQL, gRPC and MCP APIs beside those of REST APIs, interleaved.

Each API is new and has five operations: two with scopes, one without security. Time is from the
request to the answer, when Envoy has the routes; CPU is that of control and Envoy.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import cpu_seconds
from platform_size import Connection, wait_ready

from harness import DEFINITION, Platform, conf, free_port

TIMES, WARM_UP = 40, 5
NAMES = ("first", "second", "third", "fourth", "fifth")
EXTRAS = ("", "", ", scopes: [read]", ", scopes: [write]", ", secured: false")
GRAPHQL = "type Query {" + " ".join(f"{name}: String" for name in NAMES) + "}"
PROTO = (
    'syntax = "proto3"; package org.apk.v1.service; message M {string text = 1;}'
    "service S {"
    + " ".join(f"rpc {name.title()}(M) returns (M);" for name in NAMES)
    + "}"
)
TOOLS = ", ".join(
    f'{{"name": "{name}", "inputSchema": {{"type": "object"}}}}' for name in NAMES
)
MCP = f'{{"serverInfo": {{"name": "s", "version": "1"}}, "tools": [{TOOLS}]}}'


def head(kind: str, number: int, base: str, version: str, endpoint: str) -> str:
    return (
        f"name: {kind}{number}\nbasePath: {base}\nversion: {version}\ntype: {kind}\n"
        f"endpointConfigurations: {{production: {{endpoint: {endpoint}}}}}\noperations:\n"
    )


def operations(verb: str) -> str:
    rows = zip(NAMES, EXTRAS, strict=True)
    return "".join(
        f"- {{target: {name}, verb: {verb}{extra}}}\n" for name, extra in rows
    )


def rest(number: int) -> tuple[str, str]:
    return conf(f"REST{number}", f"/rest{number}", port=9), DEFINITION


def graphql(number: int) -> tuple[str, str]:
    made = head(
        "GRAPHQL", number, f"/graphql{number}", "1.0.0", "http://127.0.0.1:9/graphql"
    )
    return made + operations("QUERY"), GRAPHQL


def grpc(number: int) -> tuple[str, str]:
    made = head("GRPC", number, f"/org{number}.apk", "v1", "http://127.0.0.1:9")
    rows = zip(NAMES, EXTRAS, strict=True)
    made += "".join(
        f"- {{target: service.S, verb: {name.title()}{extra}}}\n"
        for name, extra in rows
    )
    return made, PROTO.replace("org.apk", f"org{number}.apk")


def mcp(number: int) -> tuple[str, str]:
    made = head("MCP", number, f"/mcp{number}", "1.0.0", "http://127.0.0.1:9/mcp")
    return made + operations("TOOL"), MCP


KINDS = {"REST": rest, "GraphQL": graphql, "gRPC": grpc, "MCP": mcp}


def main() -> None:
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    used: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(free_port(), Path(folder) / "data")
        platform.start()
        try:
            wait_ready(platform)
            connection = Connection(platform.port)
            token = connection.token("apk:api_create")
            pids = platform.pid("control"), platform.pid("envoy")
            for number in range(WARM_UP + TIMES):
                for kind, make in KINDS.items():
                    before = cpu_seconds(*pids)
                    took[kind].append(connection.deploy(token, *make(number)))
                    used[kind].append(cpu_seconds(*pids) - before)
        finally:
            platform.stop()
    base = statistics.median(took["REST"][WARM_UP:])
    cpu_of_rest = statistics.mean(used["REST"][WARM_UP:])
    for kind in KINDS:
        middle = statistics.median(took[kind][WARM_UP:])
        cpu = statistics.mean(used[kind][WARM_UP:])
        print(
            f"{kind:8} answered after {middle * 1000:5.1f} ms   {middle / base:.2f} × REST"
            f"   CPU {cpu * 1000:5.1f} ms   {cpu / cpu_of_rest:.2f} × REST"
        )


if __name__ == "__main__":
    main()
