"""How many values a body may have that is transformed between JSON and XML."""

from __future__ import annotations

from pathlib import Path

import pytest
from lua_host import said_by

from kapi.policies.lua import script

MOST = 100_000
HANDLE = """
local function headers(kind)
  local function get(_, name) return name == "content-type" and kind or nil end
  return {get = get, replace = function() end, remove = function() end}
end
local function transformed(to, kind, text)
  local given, said = {root = "root", most = 64 * 1024 * 1024, request = to}, "transformed"
  local body = {
    length = function() return #text end,
    getBytes = function() return text end,
    setBytes = function(_, made) return #made end,
  }
  envoy_on_request({
    headers = function() return headers(kind) end,
    filterContext = function() return {get = function(_, name) return given[name] end} end,
    body = function() return body end,
    respond = function(_, head, text) said = head[":status"] .. " " .. text end,
  })
  return said
end
"""
JSON, XML = '"xml", "application/json"', '"json", "application/xml"'


@pytest.mark.parametrize(
    ("flow", "fits", "too_many"),
    [
        (
            JSON,
            "'[1' .. (',1'):rep({0} - 2) .. ']'",
            "'[1' .. (',1'):rep({0} - 1) .. ']'",
        ),
        (
            JSON,
            "'[{{}}' .. (',[]'):rep({0} - 2) .. ']'",
            "'[{{}}' .. (',[]'):rep({0} - 1) .. ']'",
        ),
        (
            XML,
            "'<a>' .. ('<b/>'):rep({0} - 1) .. '</a>'",
            "'<a>' .. ('<b/>'):rep({0}) .. '</a>'",
        ),
        (
            XML,
            "'<a>' .. ('<b x=\"\"/>'):rep({0} / 2 - 1) .. '</a>'",
            "'<a>' .. ('<b x=\"\"/>'):rep({0} / 2) .. '</a>'",
        ),
    ],
    ids=["scalars", "containers", "elements", "attributes"],
)
def test_a_body_has_a_bounded_number_of_values(
    tmp_path: Path, flow: str, fits: str, too_many: str
) -> None:
    bodies = [text.format(MOST) for text in (fits, too_many)]
    calls = " .. '; ' .. ".join(f"transformed({flow}, {body})" for body in bodies)
    said = said_by(f"{script('json', 'xml')}\n{HANDLE}\nerror({calls}, 0)", tmp_path)
    expected = f"more than {MOST} values, elements and attributes"
    assert 'transformed; 400 {"code":"400"' in said, said[-600:]
    assert expected in said
