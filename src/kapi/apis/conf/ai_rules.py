"""Rules for `aiProvider` and `aiRatelimit` beyond the schema. Called by `reading.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kapi.apis import report as codes
from kapi.apis.ai_providers import provider_of
from kapi.apis.conf.from_nodes import ENDPOINT_KINDS, endpoint_nodes
from kapi.apis.conf.yaml_positions import Mapping, Scalar, Sequence, key_mark, mark
from kapi.apis.report import Report, below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapi.apis.ai_providers import Providers

_LIMITS: Final = {
    "token": ("promptLimit", "completionLimit", "totalLimit"),
    "request": ("requestLimit",),
}


def check_ai(root: Mapping, providers: Providers, report: Report) -> None:
    """Add every mistake in the provider and in the limits of its endpoints."""
    _check_provider(root, providers, report)
    level = [*_enabled(root, "#")]
    operations = root.entries.get("operations")
    for index, operation in enumerate(operations.items if isinstance(operations, Sequence) else ()):
        if not isinstance(operation, Mapping):
            continue
        own = [*_enabled(operation, below("#/operations", index))]
        if level and own:
            endpoint, here = own[0]
            message = "Presence of both resource level and API level AI rate limits is not allowed"
            place = key_mark(endpoint, "aiRatelimit", here)
            report.add(
                codes.RATE_LIMITS,
                message,
                place,
                "Remove it, or the aiRatelimit of the API's endpoints.",
            )
        for endpoint, here in own:
            _check_limits(root, endpoint, here, report)
    for endpoint, here in level:
        _check_limits(root, endpoint, here, report)


def _check_provider(root: Mapping, providers: Providers, report: Report) -> None:
    node = root.entries.get("aiProvider")
    if not isinstance(node, Mapping) or report.has_within("#/aiProvider"):
        return
    name, version = (node.entries[field] for field in ("name", "apiVersion"))
    if (
        not isinstance(name, Scalar)
        or not isinstance(version, Scalar)
        or (name.value, version.value) in providers
    ):
        return
    versions = [other for known, other in providers if known == name.value]
    if versions:
        latest = provider_of(providers, str(name.value), str(version.value)).api_version
        unknown = f"{name.value} has no version {str(version.value)[:60]} here"
        message = f"{unknown}: answers are read as those of {latest}"
        hint = f"Known versions: {', '.join(sorted(versions))}. Others stand in the settings (gateway.ai_providers)."
        report.warn(codes.NOT_ALLOWED, message, mark(version, "#/aiProvider/apiVersion"), hint)
    else:
        names = {
            known: ", ".join(version for other, version in sorted(providers) if other == known)
            for known, _ in sorted(providers)
        }
        known = "; ".join(f"{other} ({versions})" for other, versions in names.items())
        hint = f"Known providers and versions: {known}. Others stand in the settings (gateway.ai_providers)."
        report.add(
            codes.NOT_ALLOWED,
            f"unknown AI provider {str(name.value)[:60]}",
            mark(name, "#/aiProvider/name"),
            hint,
        )


def _enabled(owner: Mapping, pointer: str) -> Iterator[tuple[Mapping, str]]:
    """The endpoints of the API or of an operation whose limits hold."""
    for kind in ENDPOINT_KINDS:
        for endpoint, here in endpoint_nodes(owner, kind, pointer):
            limits = endpoint.entries.get("aiRatelimit")
            switch = limits.entries.get("enabled") if isinstance(limits, Mapping) else None
            if isinstance(switch, Scalar) and switch.value is True:
                yield endpoint, here


def _check_limits(root: Mapping, endpoint: Mapping, pointer: str, report: Report) -> None:
    here = below(pointer, "aiRatelimit")
    limits = endpoint.entries.get("aiRatelimit")
    if not isinstance(limits, Mapping) or report.has_within(here):
        return
    place = key_mark(endpoint, "aiRatelimit", pointer)
    if "aiProvider" not in root.entries:
        hint = "Name the provider in aiProvider: its answers say how many tokens a call took."
        report.add(codes.COMBINATION, "aiRatelimit needs an aiProvider", place, hint)
    given = {
        group: [name for name in names if name in _entries(limits, group)]
        for group, names in _LIMITS.items()
    }
    if not any(given.values()):
        every = ", ".join(f"{group}.{name}" for group, names in _LIMITS.items() for name in names)
        report.add(
            codes.MISSING,
            "aiRatelimit has no limit",
            place,
            f"Write one of: {every}. Or enabled: false.",
        )
    for group, found in given.items():
        if found and "unit" not in _entries(limits, group):
            message = f"required key [unit] not found for {found[0]}"
            report.add(
                codes.MISSING,
                message,
                mark(limits.entries[group], below(here, group)),
                "Add `unit: Minute`, Hour or Day.",
            )


def _entries(mapping: Mapping, name: str) -> dict[str, object]:
    node = mapping.entries.get(name)
    return dict(node.entries) if isinstance(node, Mapping) else {}
