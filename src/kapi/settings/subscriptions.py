"""What the settings of subscriptions mean together: tiers that exist, names and keys that stand once, patterns that are some.

Called by `settings/reading.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kapi.settings.limits import APPLICATION_ID, SubscriptionsSettings

Mistake = tuple[str, str, str]
"""Dotted name, what is wrong, hint."""


def subscription_mistakes(settings: SubscriptionsSettings, organization: str) -> Iterator[Mistake]:
    """Every mistake; `organization` owns what names no other."""
    known = {tier.name for tier in settings.tiers}
    hint = f"Known tiers: {', '.join(sorted(known)) or 'none'}."
    if settings.default_tier and settings.default_tier not in known:
        yield "subscriptions.default_tier", f"there is no tier {settings.default_tier!r}", hint
    for number, tier in enumerate(settings.tiers):
        if not tier.requests and not tier.burst and not tier.limits_tokens:
            example = (
                "Set requests, burst, or one of prompt_tokens, completion_tokens, total_tokens."
            )
            yield f"subscriptions.tiers[{number}]", f"the tier {tier.name!r} has no limit", example
        if tier.requests and tier.burst and tier.burst_unit == tier.unit:
            yield (
                f"subscriptions.tiers[{number}].burst_unit",
                f"is {tier.unit}, as the unit of the tier",
                "Use a shorter unit.",
            )
    names: set[tuple[str, str]] = set()
    ids: set[str] = set()
    keys: set[tuple[str, str]] = set()
    for number, application in enumerate(settings.applications):
        where, owner = (
            f"subscriptions.applications[{number}]",
            application.organization or organization,
        )
        if application.id:
            yield from _id_mistakes(application.id, where, ids)
            ids.add(application.id)
        elif (owner, application.name) in names:
            yield (
                where,
                f"the name {application.name!r} stands twice",
                "Give each an id of its own.",
            )
        else:
            names.add((owner, application.name))
        for key in application.keys:
            if (owner, key.consumer_key) in keys:
                yield (
                    f"{where}.keys",
                    f"the consumer key {key.consumer_key!r} stands twice",
                    "A key belongs to one application.",
                )
            keys.add((owner, key.consumer_key))
        for tier_name in (application.tier, *(item.tier for item in application.subscriptions)):
            if tier_name and tier_name not in known:
                yield where, f"there is no tier {tier_name!r}", hint
        yield from (
            (f"{where}.subscriptions", *fault)
            for item in application.subscriptions
            for fault in _pattern(item.version)
        )
    limits: set[tuple[str, str, str]] = set()
    for number, limit in enumerate(settings.key_limits):
        if (same := (limit.organization, limit.key, limit.value)) in limits:
            yield (
                f"subscriptions.key_limits[{number}]",
                f"there is a limit for {limit.key} {limit.value} already",
                "Keep one.",
            )
        limits.add(same)


def _id_mistakes(own: str, where: str, taken: set[str]) -> Iterator[Mistake]:
    if not APPLICATION_ID.fullmatch(own):
        yield (
            f"{where}.id",
            f"{own[:80]!r} is no id",
            "Use 1 to 64 letters, digits, `.`, `_` and `-`.",
        )
    if own in taken:
        yield (
            f"{where}.id",
            f"the id {own!r} stands twice",
            "Give each application an id of its own.",
        )


def _pattern(pattern: str) -> Iterator[tuple[str, str]]:
    import re2  # only where there is a pattern to look at

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        yield (
            f"the version {pattern!r} is no pattern",
            r"Write a version, or a pattern (RE2) such as 1\..*",
        )
