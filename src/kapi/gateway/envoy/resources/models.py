"""The filters in the cluster of an AI model, which write its requests and read its answers. Pure.

The admission module writes path and body for the model and judges the answer
(`wasm/admission/src/models.rs`); credentials are set after it, because an attempt begins with the
headers of the attempt before it. Called by `clusters.py`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from kapi.apis.ir import Endpoint, Model
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import typed
from kapi.policies.admission import part
from kapi.policies.ai.models import suspension_keys
from kapi.policies.contract import literal_header
from kapi.policies.endpoint_security import header_credential

_FILTERS: Final = "envoy.extensions.filters.http"


def model_filters(
    endpoint: Endpoint, context: RenderContext, organization: str, module: str
) -> list[dict[str, Any]]:
    """The filters of this endpoint's cluster; none where it has no model of its own.

    `module` is the file of the admission module.
    """
    model = endpoint.model
    if model is None:
        return []
    target = part("model", module, _target(model, endpoint.authority, organization))
    codec = typed(f"{_FILTERS}.upstream_codec.v3.UpstreamCodec")
    filters = [
        {"name": "kapi.model", "typed_config": target},
        {
            "name": "kapi.model_credentials",
            "typed_config": _credentials(endpoint, model, context, organization),
        },
        {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
    ]
    if model.credential_headers:
        return filters
    return [filters[0], filters[-1]]


def _target(model: Model, authority: str, organization: str) -> str:
    """The configuration as the module reads it."""
    before, after = model.in_path or ("", "")
    own = (
        str(model.number),
        json.dumps(model.name),
        quote(model.name, safe=""),
        authority,
    )
    keys = suspension_keys(model, organization)
    all_models = (
        f"{key}\t{base}" for key, base in zip(keys, model.base_paths, strict=True)
    )
    return "\n".join(("", *own, before, after, str(model.suspend_seconds), *all_models))


def _credentials(
    endpoint: Endpoint, model: Model, context: RenderContext, organization: str
) -> dict[str, Any]:
    """The headers of this model's credentials, and none of another model's."""
    credential = header_credential(endpoint.security)
    own = ""
    if credential:
        own = credential.header
    mutations: list[dict[str, Any]] = []
    for header in model.credential_headers:
        if header != own:
            mutations.append({"remove": header})
    if credential:
        value = credential.value(partial(context.secrets.get, organization))
        mutations.append({"append": literal_header(own, value)})
    return typed(
        f"{_FILTERS}.header_mutation.v3.HeaderMutation",
        mutations={"request_mutations": mutations},
    )
