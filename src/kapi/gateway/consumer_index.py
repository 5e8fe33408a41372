"""Which consumer may call what and how often, as records for the admission filter. Pure.

`wasm/admission/src/rules.rs` reads them. A name is a letter and a lookup key, a value is lines of
fields with tabs between. `rate_limit_counters.py` sends what has changed.

    i <issuer>                      claims that may contain the consumer key; the first one counts.
                                    Then, on a line, the issuer that this is another name of
    k <organization> <consumer key> application, organization, key type, environment, tier…;
                                    then a line for each API: id, status, tier…
    a <organization> <name or id>   the same, for API keys; no name that several applications have
    t                               the tier of consumers that belong to no application
    x <organization|*> <key> <value|*>  a limit by a key that an interceptor supplies

A tier is a list of limits: what it counts (`r` requests; `p`, `c`, `t` tokens of prompts, of
completions, of both), how many, in how many seconds, and `s` to stop there or `c` to count only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote

import re2

from kapi.gateway.issuers import TrustedIssuer, consumer_key_claims
from kapi.settings import SubscriptionsSettings, TierSettings
from kapi.store import StoredApi
from kapi.store.gateway.applications import Application, ConsumerKey, Subscription

_SECONDS = {"Second": 1, "Minute": 60, "Hour": 3600, "Day": 86400}


def consumer_index(
    applications: Sequence[Application],
    apis: Callable[[], Iterable[StoredApi]],
    issuers: Iterable[TrustedIssuer],
    settings: SubscriptionsSettings,
) -> dict[str, str]:
    """All records. `apis` is called only when an application has a subscription."""
    tiers = {tier.name: _tier(tier) for tier in settings.tiers}
    records = _records_of_settings(issuers, settings, tiers)
    subscribed = any(item.subscriptions for item in applications)
    named = {}
    if subscribed:
        named = _by_name(apis())
    unambiguous = _unambiguous_names(applications)
    for application in applications:
        owner = application.organization
        lines = _subscriptions(application, named, tiers)
        for key in application.keys:
            record = _consumer(application, key, lines, tiers)
            records[f"k\t{owner}\t{key.consumer_key}"] = record
        whole = _consumer(application, ConsumerKey("", ""), lines, tiers)
        records[f"a\t{owner}\t{application.id}"] = whole
        if (owner, application.name) in unambiguous:
            records[f"a\t{owner}\t{application.name}"] = whole
    return records


def _records_of_settings(
    issuers: Iterable[TrustedIssuer],
    settings: SubscriptionsSettings,
    tiers: Mapping[str, str],
) -> dict[str, str]:
    """Records that are not of an application: claims of issuers, default tier, limits by key."""
    issuers = tuple(issuers)
    records = {
        f"i\t{name}": "\t".join(claims)
        for name, claims in consumer_key_claims(issuers).items()
    }
    for issuer in issuers:
        if issuer.same_as:
            records[f"i\t{issuer.issuer}"] += f"\n{issuer.same_as}"
    default = tiers.get(settings.default_tier)
    if default:
        records["t"] = default
    for limit in settings.key_limits:
        value = "*"
        if limit.value:
            value = quote(limit.value, safe="")
        name = f"x\t{limit.organization or '*'}\t{quote(limit.key, safe='')}\t{value}"
        records[name] = _limit("r", limit.requests, limit.unit, stops=True)
    return records


def _unambiguous_names(applications: Sequence[Application]) -> set[tuple[str, str]]:
    """Organization and name of each application that an API key may name.

    A name that several applications have, or that is the id of one, names none.
    """
    names = Counter((item.organization, item.name) for item in applications)
    ids = {(item.organization, item.id) for item in applications}
    return {name for name, count in names.items() if count == 1} - ids


def matches(pattern: str, version: str) -> bool:
    """Whether a subscription's version pattern matches the whole version, in linear time."""
    return pattern == version or re2.fullmatch(pattern, version) is not None


def _tier(tier: TierSettings) -> str:
    stops = tier.stop_on_quota_reach
    counts = (
        ("r", tier.requests, tier.unit, stops),
        ("p", tier.prompt_tokens, tier.token_unit, stops),
        ("c", tier.completion_tokens, tier.token_unit, stops),
        ("t", tier.total_tokens, tier.token_unit, stops),
        ("r", tier.burst, tier.burst_unit, True),
    )
    limits = []
    for kind, most, unit, stop in counts:
        if most:
            limits.append(_limit(kind, most, unit, stops=stop))
    return "\t".join(limits)


def _limit(kind: str, allowed: int, unit: str, *, stops: bool) -> str:
    effect = "c"
    if stops:
        effect = "s"
    return f"{kind}\t{allowed}\t{_SECONDS[unit]}\t{effect}"


def _by_name(apis: Iterable[StoredApi]) -> dict[tuple[str, str], list[StoredApi]]:
    named: dict[tuple[str, str], list[StoredApi]] = {}
    for api in apis:
        named.setdefault((api.organization, api.name), []).append(api)
    return named


def subscription_to(application: Application, api: StoredApi) -> Subscription | None:
    """The subscription of the application that counts for the API; None: there is none."""
    if application.organization != api.organization:
        return None
    named = [item for item in application.subscriptions if item.api_name == api.name]
    return _counting(named, api.version)


def _counting(
    subscriptions: Iterable[Subscription], version: str
) -> Subscription | None:
    """Of subscriptions to one name, in the order of their age, the one that counts for a version.

    One to the very version overrides patterns; of two patterns, the older one counts.
    """
    found = None
    for item in subscriptions:
        if item.api_version == version:
            return item
        if found is None and matches(item.api_version, version):
            found = item
    return found


def _subscriptions(
    application: Application,
    named: dict[tuple[str, str], list[StoredApi]],
    tiers: dict[str, str],
) -> list[str]:
    by_name: dict[str, list[Subscription]] = {}
    for item in application.subscriptions:
        by_name.setdefault(item.api_name, []).append(item)
    lines = []
    for name, items in by_name.items():
        for api in named.get((application.organization, name), ()):
            counts = _counting(items, api.version)
            if counts is not None:
                fields = (api.id, counts.status, tiers.get(counts.tier, ""))
                lines.append("\t".join(filter(None, fields)))
    return sorted(lines)


def _consumer(
    application: Application, key: ConsumerKey, lines: list[str], tiers: dict[str, str]
) -> str:
    fields = [application.id, application.organization, key.key_type, key.environment]
    tier = tiers.get(application.tier)
    if tier:
        fields.append(tier)
    return "\n".join(("\t".join(fields), *lines))
