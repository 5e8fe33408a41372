"""`aiProvider`: its shape and prices, and that it is one of those that the installation knows.

Called by `reading.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.ai_providers import Providers, provider_of
from kapi.apis.conf.shapes import NAME, Items, Record, Text
from kapi.apis.ir import AiPrices, ModelPrice
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, Scalar, mark

PRICE: Final = Text(
    1,
    20,
    pattern=r"[0-9]{1,9}(\.[0-9]{1,6})?",
    hint='Write the price of a million tokens in quotes, such as "2.50".',
)
AI_PROVIDER: Final = Record(
    {
        "name": NAME,
        "apiVersion": NAME,
        "prices": Record(
            {
                "currency": Text(
                    3, 3, pattern="[A-Z]{3}", hint="Write its code, such as USD."
                ),
                "models": Items(
                    Record(
                        {
                            "model": Text(
                                1, 100, pattern="[!-~]+", hint="Write its name, or *."
                            ),
                            "prompt": PRICE,
                            "completion": PRICE,
                        },
                        ("model", "prompt"),
                    ),
                    100,
                ),
            },
            ("currency", "models"),
        ),
    },
    ("name", "apiVersion"),
)
_MILLION: Final = 1_000_000
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
        report.warn(
            codes.NOT_ALLOWED, message, mark(version, "#/aiProvider/apiVersion"), hint
        )
        return
    message = f"unknown AI provider {str(name.value)[:60]}"
    hint = f"Known providers and versions: {_known(providers)}. {_MORE}"
    report.add(codes.NOT_ALLOWED, message, mark(name, "#/aiProvider/name"), hint)


def _known(providers: Providers) -> str:
    versions: dict[str, list[str]] = {}
    for name, version in sorted(providers):
        versions.setdefault(name, []).append(version)
    return "; ".join(f"{name} ({', '.join(found)})" for name, found in versions.items())


def prices_of(provider: dict[str, Any]) -> AiPrices | None:
    """The prices of an `aiProvider`, each of one token in trillionths of the currency."""
    found = provider.get("prices")
    if not found:
        return None
    models = []
    for item in found["models"]:
        # A price is that of a million tokens.
        prompt, completion = (
            int(Decimal(item.get(name, "0")) * _MILLION)
            for name in ("prompt", "completion")
        )
        models.append(ModelPrice(item["model"], prompt, completion))
    return AiPrices(found["currency"], tuple(models))
