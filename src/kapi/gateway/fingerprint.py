"""Are the rendered resources in the store still what this program would render? Called by the deployer at start."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib import resources

import kapi
from kapi.gateway.envoy.site import Site
from kapi.policies import POLICIES

_SOURCES = ("kapi.apis", "kapi.apis.definitions", "kapi.policies", "kapi.policies.lua", "kapi.gateway.envoy")


def fingerprint(site: Site) -> str:
    """Differs when the version, the settings that show in a rendered API, the policies or the code in between differ.

    The code is part of it because a working copy changes without its version.
    """
    gateway = site.settings.gateway
    parts = {
        "version": kapi.__version__,
        "hosts": [site.settings.identity.host, gateway.api_host, gateway.domain],
        "port": gateway.public_port or gateway.port,
        "version_routing": gateway.version_routing,
        "backends": [sorted(gateway.hosts.items()), gateway.max_connections, site.ca_file],
        "secrets": [
            [item.organization or site.settings.apis.organization, item.name, item.key, item.value] for item in site.settings.secrets.values
        ],
        "mediation": [[asdict(item) for item in gateway.interceptors], asdict(gateway.enforcer)],
        "subscriptions": [
            site.settings.subscriptions.mandatory,
            bool(site.settings.subscriptions.tiers),
            any(tier.limits_tokens for tier in site.settings.subscriptions.tiers),
        ],
        "ai_providers": [asdict(item) for item in gateway.ai_providers],
        "policies": [policy.name for policy in POLICIES],
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _code() -> str:
    digest = hashlib.sha256()
    for package in _SOURCES:
        for entry in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".lua")):
                digest.update(entry.name.encode() + entry.read_bytes())
    return digest.hexdigest()
