"""Subscriptions and tiers (apk-conf `subscriptionValidation`, settings `subscriptions.mandatory`).

The consumer key of the verified token must belong to an application with an active subscription to
the API; else 403 900908, or 900907 and 900909 when the subscription is blocked or not active. Which
key belongs to whom, and the tiers, are told to the filter while it runs (`gateway.consumer_index`),
so routes do not contain them. Operations that need no token have no consumer, and are not asked.
"""

from __future__ import annotations

from typing import ClassVar

from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG
from kapi.apis.ir import Api
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT, FILTER, ON, usage
from kapi.policies.authentication.conf import SUBSCRIPTIONS
from kapi.policies.authentication.node import Authentication
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.typed import of_kind

name = "subscriptions"
phase = Phase.SUBSCRIBE
filters = (ADMIT,)


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """A subscription is needed."""

    policy: ClassVar[str] = name


def compile(conf: ApiConf, operation: OperationConf) -> Subscriptions | None:
    """Where the conf asks for it."""
    if operation.secured and conf.field(SUBSCRIPTIONS):
        return Subscriptions()
    return None


def has_callers_without_application(api: Api) -> bool:
    """Whether a certificate alone is enough for an operation: it names no application.

    If subscriptions are mandatory, such an operation refuses every caller.
    """
    return any(
        node.required and not node.credentials
        for item in api.operations
        for node in of_kind(item.policies, Authentication)
    )


def envoy(node: Subscriptions, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Switch the filter on and name the route: fields between tabs, as the module reads them."""
    return _route(place, validate=True)


def kubernetes(node: Subscriptions | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "subscriptions are looked up by kapi's gateway only",
        "Remove subscriptionValidation, and subscriptions.mandatory and the tiers of the settings.",
    )


def everywhere(place: Place) -> EnvoyRoute | None:
    """What the settings ask of every API: a subscription, or limits of consumers."""
    settings = place.subscriptions
    secured = any(
        node.policy == "authentication" and node.required
        for node in place.operation.policies
    )
    if not secured or not (settings.mandatory or settings.tiers):
        return None
    return _route(place, validate=settings.mandatory)


def _route(place: Place, *, validate: bool) -> EnvoyRoute:
    flags = (
        ("s" if place.sandbox else "")
        + ("v" if validate else "")
        + ("t" if place.subscriptions.tiers else "")
    )
    where = (
        f"{place.api.id}\t{place.api.organization}\t{place.api.environment}\t{flags}"
    )
    fields = {"place": where}
    if place.api.ai_provider and any(
        tier.limits_tokens for tier in place.subscriptions.tiers
    ):
        fields["usage"] = usage(place.api.ai_provider, place.api.id)
    return EnvoyRoute({FILTER: ON}, metadata={FILTER: fields})


conf_part = ConfPart(
    fields=(
        ConfField(
            SUBSCRIPTIONS,
            places=("api",),
            shape=FLAG,
            descriptions={
                f".{SUBSCRIPTIONS}": (
                    "true lets in only applications that are subscribed to the API."
                )
            },
        ),
    )
)
