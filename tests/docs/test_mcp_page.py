"""Every conf in docs/mcp.md compiles with a definition that has its operations."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from kapi.apis.compile import compile_api
from kapi.policies import POLICIES

PAGE = (Path(__file__).parents[2] / "docs/mcp.md").read_text("utf-8")
CONFS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
OPENAPI = json.dumps(
    {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}
)


@pytest.mark.parametrize("text", CONFS, ids=lambda text: yaml.safe_load(text)["name"])
def test_a_conf_of_the_page_compiles(text: str) -> None:
    conf = yaml.safe_load(text)
    named: dict[str, list[dict[str, str]]] = {"TOOL": [], "PROMPT": []}
    for item in conf["operations"]:
        named.setdefault(item["verb"], []).append({"name": item["target"]})
    shown = json.dumps({"tools": named["TOOL"], "prompts": named["PROMPT"]})
    definition = shown if conf["type"] == "MCP" else OPENAPI
    made = compile_api(
        text.encode(), definition.encode(), organization="default", policies=POLICIES
    )
    assert len(made.api.operations) == len(conf["operations"])
