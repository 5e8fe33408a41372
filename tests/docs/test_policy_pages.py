"""Every conf in the pages of docs/policies and of Kong compiles, and the real Envoy takes what
comes of all of them together.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kapi.apis.compile import compile_api
from kapi.apis.secrets import Secrets
from kapi.gateway.deployment.modules import with_modules
from kapi.gateway.envoy.process.check import EnvoyCheck
from kapi.gateway.envoy.process.process import find_envoy
from kapi.gateway.envoy.resources.context import render_context_from
from kapi.gateway.envoy.resources.render import render_api
from kapi.policies import POLICIES
from kapi.policies.mediation.wasm_modules import Module
from kapi.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs/policies").glob("*.md")),
    ROOT / "docs/coming-from-kong.md",
]
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)


class AnySecret(dict[tuple[str, str, str], str]):
    def get(self, secret: Any, default: Any = None) -> Any:
        return (
            (ROOT / "tests/golden/_ca.pem").read_text()
            if secret[2].endswith(".crt")
            else "-- value"
        )


def fetched(module: Module) -> Module:
    """As if its URL had led to the tests' own module."""
    return dataclasses.replace(module, file=str(ROOT / "tests/wasm/probe.wasm"))


def confs(page: Path) -> list[str]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return [block for block in blocks if "basePath" in (yaml.safe_load(block) or {})]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_confs_of_a_page_run(page: Path) -> None:
    clusters: dict[str, Any] = {}
    scopes: list[Any] = []
    context = render_context_from(
        Settings(Path("/data")),
        ca_file="/etc/ssl/certs/ca-certificates.crt",
        control_socket="/run/control.sock",
        identity_sockets=("/run/i.sock",),
        secrets=Secrets(AnySecret()),
    )
    for text in confs(page):
        api = compile_api(
            text.encode(), DEFINITION, organization="default", policies=POLICIES
        ).api
        rendered = render_api(with_modules(api, fetched), context)
        clusters |= {cluster["name"]: cluster for cluster in rendered["clusters"]}
        scopes += rendered["scopes"]
    if scopes:
        assert len({scope["name"] for scope in scopes}) == len(scopes), (
            "give each conf of a page a base path of its own"
        )
        EnvoyCheck(find_envoy(""))(tuple(clusters.values()), scopes)


def test_there_are_pages_with_confs() -> None:
    assert sum(len(confs(page)) for page in PAGES) >= 8
