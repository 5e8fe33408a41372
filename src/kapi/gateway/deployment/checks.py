"""Reasons not to deploy an API that compiles, or not to accept a secret. For `deployer.py`.

They depend on the settings, the secrets and the gateway itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from kapi import error_codes
from kapi.addresses import is_loopback
from kapi.apis import report as codes
from kapi.apis.ir import Api
from kapi.apis.secrets import SecretId, Secrets, secret_mistakes
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.render import segments
from kapi.gateway.envoy.resources.routes.system import system_routes
from kapi.policies.authentication.conf import SUBSCRIPTION_HINT
from kapi.policies.callers.browser_sign_in.node import is_at_inbuilt_provider
from kapi.policies.callers.subscriptions import has_callers_without_application
from kapi.policies.kinds.grpc import GrpcCalls
from kapi.policies.mediation.lua_scripts import LuaScripts, Script
from kapi.policies.mediation.wasm_modules import Module, WasmModules
from kapi.policies.streams import endless_flows
from kapi.settings import GatewaySettings, SubscriptionsSettings


def raise_unusable_value(apis: Iterable[Api], secrets: Secrets) -> None:
    """Raise Invalid with every mistake of deployed APIs with these secrets.

    The places are those in the confs; the source of a mistake names the API.
    """
    found: list[Diagnostic] = []
    for api in apis:
        source = f"{api.name} {api.version}"
        found += [
            dataclasses.replace(item, source=source)
            for item in secret_mistakes(api, secrets)
        ]
    if found:
        raise Invalid(tuple(found), error_codes.VALUE_UNUSABLE)


def secret_in_use(secret: SecretId) -> Problem:
    """Why a secret is not removed: a deployed API would have no credentials."""
    _, name, key = secret
    return Problem.of(
        error_codes.VALUE_UNUSABLE,
        f"deployed APIs use the secret {name} with the key {key}",
        hint="Undeploy these APIs first, or set another value.",
        status=409,
    )


def deploy_mistakes(api: Api, context: RenderContext) -> tuple[Diagnostic, ...]:
    """All reasons in the settings, the secrets and the gateway not to deploy the API."""
    return (
        *_root(api),
        *_host(api, context),
        *_callers(api, context.subscriptions),
        *_streams(api, context.gateway),
        *_provider(api, context),
        *secret_mistakes(api, context.secrets),
    )


def raise_mistakes(found: tuple[Diagnostic, ...]) -> None:
    """Raise Invalid with all of them, if there are any.

    APK has a code of its own for mistakes of authentication only (909018).
    """
    if not found:
        return
    if {item.code for item in found} == {codes.AUTHENTICATION}:
        raise Invalid(found, error_codes.INVALID_AUTHENTICATION)
    raise Invalid(found)


def _root(api: Api) -> Iterator[Diagnostic]:
    """Envoy finds an API by its first path segment, so there must be a literal one."""
    if "" in segments(api):
        message = (
            f"an operation of {api.name} {api.version} has no fixed first path segment"
            " when its version is the default one"
        )
        hint = "Give the API a basePath besides its version, or remove defaultVersion: true."
        yield Diagnostic(
            "root-path", message, hint, "#/basePath", source="apkConfiguration"
        )


def _host(api: Api, context: RenderContext) -> Iterator[Diagnostic]:
    """The hosts of the gateway itself serve no API."""
    own = {route.host for route in system_routes(context)}
    hosts = [
        context.host(api.organization, api.environment, sandbox=sandbox)
        for sandbox in (False, True)
    ]
    taken = [host for host in hosts if host in own]
    if taken:
        message = f"the host {taken[0]} belongs to the gateway itself"
        yield Diagnostic(
            codes.TAKEN_HOST,
            message,
            "Choose another environment.",
            "#/environment",
            source="apkConfiguration",
        )


def code_mistakes(api: Api, gateway: GatewaySettings) -> tuple[Diagnostic, ...]:
    """Scripts and modules of the API, where the settings do not allow code of APIs."""
    allowed = gateway.code_of_apis
    if allowed == "on" or (allowed == "auto" and is_loopback(gateway.listen)):
        return ()
    hint = (
        "Code of an API runs inside the gateway and can slow down or end every call."
        ' The operator allows it by gateway.code_of_apis = "on".'
    )
    found = dict.fromkeys(
        (what, item.name, item.mark)
        for operation in api.operations
        for node in operation.policies
        for what, items in _code(node)
        for item in items
    )
    return tuple(
        Diagnostic(
            codes.NOT_SUPPORTED,
            f"{what} {name[:64]} is refused: this gateway takes no code of APIs",
            hint,
            *(mark.pointer, mark.line, mark.column),
            source="apkConfiguration",
        )
        for what, name, mark in found
    )


def needs_check_alone(api: Api) -> bool:
    """Whether a process of its own must load the API before Envoy does.

    Scripts and modules run when they are loaded: one that does not end would stop Envoy. What
    Envoy makes of descriptors depends on all of their content.
    """
    nodes = [node for operation in api.operations for node in operation.policies]
    return any(
        isinstance(node, LuaScripts | WasmModules)
        or (isinstance(node, GrpcCalls) and node.transcoding)
        for node in nodes
    )


def _code(
    node: object,
) -> Iterator[tuple[str, tuple[Script, ...] | tuple[Module, ...]]]:
    if isinstance(node, LuaScripts):
        yield "the script", node.scripts
    elif isinstance(node, WasmModules):
        yield "the module", node.modules


def _streams(api: Api, gateway: GatewaySettings) -> Iterator[Diagnostic]:
    """Interceptors of the settings that are sent a body would wait for the end of a stream."""
    waiting: set[str] = set()
    for item in gateway.interceptors:
        if item.body or item.trailers:
            waiting.update(item.flows)
    for operation in api.operations:
        if waiting & set(endless_flows(operation)):
            message = (
                f"{operation.verb} {operation.target} is a stream, which has no end,"
                " and an interceptor of this gateway reads bodies"
            )
            hint = "The operator removes body and trailers from gateway.interceptors."
            yield Diagnostic(
                codes.COMBINATION,
                message,
                hint,
                "#/operations",
                source="apkConfiguration",
            )


def _provider(api: Api, context: RenderContext) -> Iterator[Diagnostic]:
    """A sign-in that names no provider is at the inbuilt one."""
    if not context.provider.enabled and is_at_inbuilt_provider(api):
        message = "BrowserSignIn names no provider, and the inbuilt one is off"
        hint = "Add authorizationEndpoint and tokenEndpoint."
        place = "#/apiPolicies"
        yield Diagnostic(
            codes.COMBINATION, message, hint, place, source="apkConfiguration"
        )


def _callers(api: Api, subscriptions: SubscriptionsSettings) -> Iterator[Diagnostic]:
    """The settings may ask for subscriptions that no caller of this API could have."""
    if subscriptions.mandatory and has_callers_without_application(api):
        message = (
            "Invalid authtypes provided: the settings ask every API for subscriptions,"
            " and a certificate names no application"
        )
        yield Diagnostic(
            codes.AUTHENTICATION,
            message,
            SUBSCRIPTION_HINT,
            "#/authentication",
            source="apkConfiguration",
        )
