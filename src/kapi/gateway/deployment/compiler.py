"""From the files of an API to an IR that this gateway and its Envoy accept.

For `deployer.py` and `restore.py`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kapi.apis.compile import Compiled, compile_api
from kapi.apis.ir import Api
from kapi.apis.model.choices import Wanted
from kapi.apis.secrets import secret_mistakes
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, KapiError
from kapi.gateway.deployment.checks import (
    code_mistakes,
    deploy_mistakes,
    raise_mistakes,
)
from kapi.gateway.deployment.modules import Modules
from kapi.gateway.deployment.proto_compiler import with_transcoding
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.render import render_backends, render_scope, segments
from kapi.policies import POLICIES
from kapi.store import StoredApi

_LOG = logging.getLogger("kapi.gateway")

EnvoyCheck = Callable[[Sequence[dict[str, Any]], Sequence[dict[str, Any]]], None]
"""Raises GatewayError when Envoy refuses these clusters and scopes."""


@dataclass(frozen=True, slots=True)
class ApiCompiler:
    """Compiles APIs. A new API is untrusted input; a stored API was compiled before."""

    check: EnvoyCheck
    compile_new: Callable[..., Compiled] = compile_api
    compile_stored: Callable[..., Compiled] = compile_api
    modules: Modules | None = None

    def new(
        self,
        conf: bytes | Wanted,
        definition: bytes,
        organization: str,
        context: RenderContext,
    ) -> tuple[Compiled, tuple[Diagnostic, ...]]:
        """The compiled API, and all reasons of this gateway not to deploy it.

        Raises Invalid for mistakes in the files.
        """
        compiled = self.compile_new(
            conf, definition, organization=organization, policies=POLICIES
        )
        api, mistakes = with_transcoding(compiled.api, compiled.conf, definition)
        mistakes += code_mistakes(api, context.gateway)
        if self.modules and not mistakes:
            api, mistakes = self.modules.fetched(api)
        found = (*deploy_mistakes(api, context), *mistakes)
        return dataclasses.replace(compiled, api=api), found

    def stored(
        self,
        stored: StoredApi,
        source: tuple[str, bytes] | None,
        context: RenderContext,
    ) -> Api | None:
        """The IR of a deployed API, or None, with a line in the log, if it no longer compiles."""
        if source is None:
            return None
        try:
            return self._stored(stored, source, context)
        except KapiError as error:
            _LOG.error(
                "API %s (%s %s) is left out: %s",
                stored.id,
                stored.name,
                stored.version,
                error.detail or error.title,
            )
            return None

    def check_with_envoy(
        self, segments_to_apis: Mapping[str, Sequence[Api]], context: RenderContext
    ) -> None:
        """Raise GatewayError when Envoy refuses the resources of these APIs."""
        scopes = [
            render_scope(segment, apis, context)
            for segment, apis in segments_to_apis.items()
        ]
        distinct = {api.id: api for apis in segments_to_apis.values() for api in apis}
        clusters = render_backends(distinct.values(), context)
        self.check(clusters, list(filter(None, scopes)))

    def check_alone(self, api: Api, context: RenderContext) -> None:
        """Raise GatewayError when Envoy refuses the resources of an API, without its neighbours."""
        self.check_with_envoy(dict.fromkeys(sorted(segments(api)), (api,)), context)

    def pinned_modules(self, api_id: str) -> dict[str, str]:
        """URL → SHA-256 of the modules that are pinned for an API."""
        if self.modules:
            return self.modules.of(api_id)
        return {}

    def clean_modules(self, before: Mapping[str, str]) -> None:
        """Delete those that were pinned before and that no API uses now."""
        if self.modules:
            self.modules.clean(before)

    def forget_modules(self, api_id: str) -> None:
        """Remove the pins of an API that is no longer deployed."""
        if self.modules:
            self.modules.forget(api_id)

    def _stored(
        self, stored: StoredApi, source: tuple[str, bytes], context: RenderContext
    ) -> Api:
        conf, definition = source
        compiled = self.compile_stored(
            conf.encode("utf-8"),
            definition,
            organization=stored.organization,
            policies=POLICIES,
            restored=True,
        )
        api, mistakes = with_transcoding(compiled.api, compiled.conf, definition)
        raise_mistakes(
            (
                *mistakes,
                *code_mistakes(api, context.gateway),
                *secret_mistakes(api, context.secrets),
            )
        )
        api = dataclasses.replace(api, id=stored.id)
        if self.modules:
            return self.modules.pinned(api)
        return api
