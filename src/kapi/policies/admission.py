"""The admission filter: a WebAssembly module in Envoy that counts requests and knows who may call.

Not a policy but what four of them share: `rate_limit`, `ai_rate_limit`, `subscriptions` and
`limit_keys` switch the filter on for their routes and tell it what to do by the route's metadata.
Its source is `wasm/admission`, its counters live in memory that Envoy's threads share.
`gateway.rate_limit_counters` reads and restores the counters and tells it about applications.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.apis.ir import AiProvider
from kapi.policies.contract import HttpFilter, Phase
from kapi.policies.own_modules import built, module_filter

FILTER = "kapi.admission"
"""Also the name of the route metadata that the module reads."""
ON: dict[str, Any] = {
    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
    "config": {},
}
"""The per-route configuration that switches a disabled filter on."""
MODULE = built("admission")
HEADERS_MODULE = built("admission_headers")
"""Without the callbacks for bodies.

Envoy calls these for each frame of a WebSocket, also where they do nothing.
"""


def limit(kind: str, key: str, allowed: int, seconds: int, code: str) -> str:
    """One limit in the field `limits` of the route's metadata: fields between tabs.

    More limits follow after a tab.

    `kind` is `r` for requests; `p`, `c` and `t` for tokens of prompts, of completions and of
    both, which answers say.
    """
    return "\t".join((kind, key, str(allowed), str(seconds), code))


TOTALS = "ai-use/"
"""Prefix of counters that are not limits: all tokens of an API in a day."""


def usage(provider: AiProvider, api: str) -> str:
    """Where an answer has its tokens: places of a number between spaces, the three between tabs.

    The fourth text is the name of the counters of all tokens of the API.
    """
    numbers = (
        provider.prompt_tokens,
        provider.completion_tokens,
        provider.total_tokens,
    )
    return "\t".join((*map(" ".join, numbers), f"{TOTALS}{api}"))


_IN_PLAN = ("kind", "limits", "place", "usage", "models", "prices")
"""Fields of the metadata that become lines of one text, in this order; others stay fields.

The kind is first: `replies.py` of the gateway looks how the text begins.
"""


def planned(metadata: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A route's metadata with what the module reads of each call in one text, `plan`.

    Each reading of a field takes microseconds of a call. `wasm/admission/src/plan.rs` reads it.
    """
    found = dict(metadata)
    own = dict(found.get(FILTER, {}))
    lines = []
    for name in _IN_PLAN:
        if name in own:
            lines.append(f"{name}\t{own.pop(name)}")
    if lines:
        found[FILTER] = {**own, "plan": "\n".join(lines)}
    return found


def part(name: str, module: str = MODULE, more: str = "") -> dict[str, Any]:
    """A part of the module: `admit`, `keys`, `stream`, `model` or `ledger`; they share one memory.

    `more` is what the part is told after its name.
    """
    return module_filter(f"kapi.{name}", "kapi", module, name + more)


ADMIT = HttpFilter(
    Phase.LIMIT, FILTER, part("admit"), disabled=True, on_demand=True, counts=True
)
"""After every refusal, so that a refused call does not count."""
ADMIT_BY_HEADERS = HttpFilter(
    Phase.LIMIT,
    "kapi.opening",
    part("admit", HEADERS_MODULE),
    disabled=True,
    on_demand=True,
    counts=True,
)
"""The same for calls whose bodies are not read."""


_COUNTING_PARTS = ("admit", "keys")


def counted_by_all(
    config: Mapping[str, Any], away: str, milliseconds: int
) -> dict[str, Any]:
    """A part with limits that are counted with other nodes.

    `away` is what it does while nothing answers within `milliseconds` (settings `limits.away`).
    """
    inner = config["config"]
    told = inner["configuration"]["value"]
    if told not in _COUNTING_PARTS:
        return dict(config)
    changed = {**inner["configuration"], "value": f"{told}\n{away}\t{milliseconds}"}
    return {**config, "config": {**inner, "configuration": changed}}
