"""Compressed answers (kapi's own policy `Compression`; RFC 9110 §8.4 and §12.5.3).

An answer is compressed for callers whose `Accept-Encoding` allows it, if its type is one of texts
and the backend has not compressed it. `Vary: Accept-Encoding` is added, and strong entity tags
become weak ones.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Items, Record, Text
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.dataclass import dataclass
from kapi.policies.admission import ON
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute

name = "compression"
phase = Phase.COMPRESS

POLICY: Final = "Compression"
_FILTERS: Final = "envoy.extensions.filters.http.compressor.v3"
_LIBRARIES: Final = "type.googleapis.com/envoy.extensions.compression"
_LEAST_BYTES: Final = 1024
"""Smaller answers gain nothing."""
_TYPES: Final = (
    "application/json",
    "application/problem+json",
    "application/ld+json",
    "application/hal+json",
    "application/vnd.api+json",
    "application/graphql-response+json",
    "application/javascript",
    "application/xml",
    "application/yaml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/plain",
    "text/xml",
    "image/svg+xml",
)


def _library(encoding: str, **options: Any) -> dict[str, Any]:
    kind = encoding.capitalize()
    typed = {"@type": f"{_LIBRARIES}.{encoding}.compressor.v3.{kind}", **options}
    return {"name": encoding, "typed_config": typed}


def _compressor(library: dict[str, Any], **options: Any) -> dict[str, Any]:
    common = {"min_content_length": _LEAST_BYTES, "content_type": list(_TYPES)}
    return {
        "@type": f"type.googleapis.com/{_FILTERS}.Compressor",
        "response_direction_config": {"common_config": common},
        "compressor_library": library,
        **options,
    }


ENCODINGS: Final = ("br", "gzip")
"""In the order of preference, where a caller accepts several equally."""
_FILTER_OF: Final = {"br": "kapi.filters.http.brotli", "gzip": "kapi.filters.http.gzip"}
_CONFIGS: Final = {
    "br": _compressor(_library("brotli", quality=4), choose_first=True),
    "gzip": _compressor(_library("gzip", compression_level="COMPRESSION_LEVEL_4")),
}
filters = tuple(
    HttpFilter(
        phase, _FILTER_OF[encoding], _CONFIGS[encoding], disabled=True, on_demand=True
    )
    for encoding in ENCODINGS
)
_KUBERNETES: Final = {"br": "Brotli", "gzip": "Gzip"}


@dataclass(frozen=True, slots=True)
class Compression:
    """The encodings that answers may get."""

    policy: ClassVar[str] = name
    encodings: tuple[str, ...] = ENCODINGS


def compile(conf: ApiConf, operation: OperationConf) -> Compression | None:
    """The one policy of the list."""
    item = policy_named(conf.policies_of(operation).response, POLICY)
    if item is None:
        return None
    named = item.parameter("encodings", ENCODINGS)
    return Compression(tuple(encoding for encoding in ENCODINGS if encoding in named))


def envoy(node: Compression, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """A filter for each encoding."""
    return EnvoyRoute({_FILTER_OF[encoding]: ON for encoding in node.encodings})


def kubernetes(node: Compression, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """`compressor` of a BackendTrafficPolicy."""
    kinds = [{"type": _KUBERNETES[encoding]} for encoding in node.encodings]
    return KubernetesRoute(traffic={"compressor": kinds})


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("response",),
            parameters=Record(
                {"encodings": Items(Text(one_of=ENCODINGS), len(ENCODINGS))}
            ),
            descriptions={
                "encodings": "The encodings that answers may get: br, gzip; both when left out.",
            },
            example={"encodings": ["gzip"]},
            needs_parameters=False,
            once=True,
        ),
    ),
)
