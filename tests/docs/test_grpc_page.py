"""The conf of docs/grpc.md compiles with a definition of its methods, alone and with each part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kapi.apis.compile import compile_api
from kapi.policies import POLICIES

PAGE = (Path(__file__).parents[2] / "docs/grpc.md").read_text("utf-8")
CONF, *PARTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
PROTO = b"""syntax = "proto3";
package org.apk.v1.student_service;
message Student { string name = 1; }
service StudentService {
  rpc GetStudent (Student) returns (Student);
  rpc GetStudentStream (Student) returns (stream Student);
}
"""


@pytest.mark.parametrize("part", ["", *PARTS])
def test_a_conf_of_the_page_compiles(part: str) -> None:
    conf = yaml.safe_load(CONF)
    text = yaml.safe_dump(conf | (yaml.safe_load(part) or {}))
    made = compile_api(text.encode(), PROTO, organization="default", policies=POLICIES)
    verbs = {item.verb for item in made.api.operations}  # CORS adds OPTIONS.
    assert verbs >= {item["verb"] for item in conf["operations"]}
