"""Tokens of APIs with an `aiProvider`: read from each answer for the access log and the metrics.

The module in Envoy reads the answers while they pass (`wasm/admission/src/usage.rs`). A stream that
does not say its tokens is counted by an estimate. The totals of an API are counters of the day in
UTC (`TOTALS`); `/api/metrics` shows them. Where the conf has prices, the module also computes what
each call costs (`wasm/admission/src/prices.rs`).
"""

from __future__ import annotations

from typing import ClassVar

from kapi.apis.conf.policy_part import NOTHING
from kapi.apis.ir import AiPrices, AiProvider
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT, FILTER, ON, usage
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "ai_usage"
phase = Phase.LIMIT
filters = (ADMIT,)
conf_part = NOTHING


@dataclass(frozen=True, slots=True)
class AiUsage:
    """The answers are read."""

    policy: ClassVar[str] = name


def compile(conf: ApiConf, operation: OperationConf) -> AiUsage | None:  # noqa: ARG001
    """For every operation of an API that names its provider."""
    if conf.ai_provider:
        return AiUsage()
    return None


def envoy(node: AiUsage, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Switch the filter on and say where answers say their tokens."""
    provider = place.api.ai_provider
    if provider is None:
        return EnvoyRoute()
    fields = {"usage": usage(provider, place.api.id)}
    if place.api.ai_prices:
        fields["prices"] = _prices(place.api.ai_prices, provider)
    return EnvoyRoute({FILTER: ON}, metadata={FILTER: fields})


def _prices(prices: AiPrices, provider: AiProvider) -> str:
    """Currency, where a path names a model, then each model with its prices, between tabs."""
    texts = [prices.currency, *(provider.model_in_path or ("", ""))]
    for item in prices.models:
        texts += [item.model, str(item.prompt), str(item.completion)]
    return "\t".join(texts)


def kubernetes(node: AiUsage | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "tokens of AI answers are counted by kapi's gateway only",
        "Remove aiProvider, or deploy the API to kapi's gateway.",
    )
