"""Rules for `aiProvider` beyond the schema: it must be one of those that the installation knows.

Called by `reading.py`.
"""

from __future__ import annotations

from kapi.apis import report as codes
from kapi.apis.ai_providers import Providers, provider_of
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, Scalar, mark

_MORE = "Others are in the settings (gateway.ai_providers)."


def check_ai_provider(root: Mapping, providers: Providers, report: Report) -> None:
    """Refuse an unknown provider; warn of an unknown version of a known one."""
    node = root.entries.get("aiProvider")
    if not isinstance(node, Mapping) or report.has_within("#/aiProvider"):
        return
    name, version = node.entries["name"], node.entries["apiVersion"]
    if not isinstance(name, Scalar) or not isinstance(version, Scalar):
        return
    if (name.value, version.value) in providers:
        return
    versions = sorted(other for known, other in providers if known == name.value)
    if versions:
        latest = provider_of(providers, str(name.value), str(version.value)).api_version
        unknown = f"{name.value} has no version {str(version.value)[:60]} here"
        message = f"{unknown}: answers are read as those of {latest}"
        hint = f"Known versions: {', '.join(versions)}. {_MORE}"
        report.warn(codes.NOT_ALLOWED, message, mark(version, "#/aiProvider/apiVersion"), hint)
        return
    message = f"unknown AI provider {str(name.value)[:60]}"
    hint = f"Known providers and versions: {_known(providers)}. {_MORE}"
    report.add(codes.NOT_ALLOWED, message, mark(name, "#/aiProvider/name"), hint)


def _known(providers: Providers) -> str:
    versions: dict[str, list[str]] = {}
    for name, version in sorted(providers):
        versions.setdefault(name, []).append(version)
    return "; ".join(f"{name} ({', '.join(found)})" for name, found in versions.items())
