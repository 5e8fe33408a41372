"""The admission filter: a WebAssembly module in Envoy that counts requests and knows who may call.

Not a policy but what four of them share: `rate_limit`, `ai_rate_limit`, `subscriptions` and
`limit_keys` switch the filter on for their routes and tell it what to do by the route's metadata.
Its source is `wasm/admission`, its counters live in memory that Envoy's threads share.
`gateway.rate_limit_counters` reads and restores the counters and tells it about applications.
"""

from __future__ import annotations

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
"""What the names of counters begin with that are no limits: all tokens of an API in a day."""


def usage(provider: AiProvider, api: str) -> str:
    """Where an answer has its tokens: places of a number between spaces, the three between tabs.

    The fourth text is the name of the counters of all tokens of the API.
    """
    numbers = (provider.prompt_tokens, provider.completion_tokens, provider.total_tokens)
    return "\t".join((*map(" ".join, numbers), f"{TOTALS}{api}"))


def part(name: str, module: str = MODULE, more: str = "") -> dict[str, Any]:
    """A part of the module: `admit`, `keys`, `stream`, `model` or `ledger`; they share one memory.

    `more` is what the part is told after its name.
    """
    return module_filter(f"kapi.{name}", "kapi", module, name + more)


ADMIT = HttpFilter(Phase.LIMIT, FILTER, part("admit"), disabled=True, on_demand=True, counts=True)
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
