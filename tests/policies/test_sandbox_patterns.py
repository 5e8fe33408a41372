"""The sandbox matches patterns by itself where the library could take too long: both must say the
same.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from lua_host import said_by

from kapi.gateway.envoy.resources.lua_values import lua
from kapi.policies.lua import script

CASES = 600
PARTS = (
    "a",
    "b",
    ".",
    "%a",
    "%s",
    "[ab]",
    "[^a]",
    "[a-c]",
    "%d",
    "[]]",
    "%.",
    "-",
    " ",
)
COMPARE = """
local function shown(...)
  local out = {}
  for index = 1, select("#", ...) do out[index] = tostring((select(index, ...))) end
  return real.concat(out, "|")
end
local function walked(gmatch, text, pattern)
  local out = {}
  for a, b, c in gmatch(text, pattern) do out[#out + 1] = shown(a, b, c) end
  return real.concat(out, ";")
end
local function some(a, b) return a and b end
local CALLS = {
  function(from, text, pattern, init) return shown(from.find(text, pattern, init)) end,
  function(from, text, pattern, init) return shown(from.match(text, pattern, init)) end,
  function(from, text, pattern) return walked(from.gmatch, text, pattern) end,
  function(from, text, pattern) return shown(from.gsub(text, pattern, "<%0>")) end,
  function(from, text, pattern) return shown(from.gsub(text, pattern, some, 3)) end,
}
for _, case in ipairs(CASES) do
  for number, call in ipairs(CALLS) do
    local known, expected = pcall(call, real, unpack(case))
    local made, found = pcall(call, checked, unpack(case))
    if known ~= made or (known and expected ~= found) then
      local arguments = shown(case[1], case[2], case[3])
      error(shown("call", number, arguments, "library", expected, "sandbox", found), 0)
    end
  end
end
error("all the same", 0)
"""


def a_pattern(chance: random.Random) -> str:
    out, depth = ["^"] if chance.random() < 0.2 else [], 0
    for _ in range(chance.randint(1, 6)):
        kind = chance.choice(
            ["open", "close", "()", "%b()", "%f[%w]", "%1", *["part"] * 9]
        )
        if kind == "open":
            depth += 1
        elif kind == "close" and not depth:
            continue
        elif kind == "close":
            depth -= 1
        texts = {
            "open": "(",
            "close": ")",
            "part": chance.choice(PARTS) + chance.choice(["", "*", "+", "-", "?"]),
        }
        out.append(texts.get(kind, kind))
    return "".join(out) + ")" * depth + ("$" if chance.random() < 0.2 else "")


def cases() -> list[list[str | int]]:
    chance = random.Random(1)
    texts = (
        "".join(chance.choice("aab b().1-") for _ in range(chance.randint(0, 12)))
        for _ in range(CASES)
    )
    return [
        [text, a_pattern(chance), chance.choice([1, 1, 1, 2, -3, 0, 20])]
        for text in texts
    ]


@pytest.mark.parametrize(
    "cheap", ["-1", "1e9"], ids=["ours", "the library's where that is cheap"]
)
def test_patterns_mean_what_they_mean_in_lua(tmp_path: Path, cheap: str) -> None:
    sandbox = script("sandbox_limits", "sandbox_patterns", "sandbox_text")
    assert "local CHEAP = 1000000\n" in sandbox
    sandbox = sandbox.replace("local CHEAP = 1000000\n", f"local CHEAP = {cheap}\n")
    source = (
        f"local LONGEST = 100000\nlocal CASES = {lua(cases())}\n{sandbox}\n{COMPARE}"
    )
    said = said_by(source, tmp_path)
    assert said.rstrip().endswith("all the same"), said[-600:]
