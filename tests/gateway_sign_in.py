"""APIs with the policy BrowserSignIn, for the tests of several folders."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

from harness import Platform

HOST = "default.gw.wso2.com"
KEY = "0123456789abcdef0123456789abcdef"
"""Encrypts the sessions."""


def sign_in_conf(name: str, echo: int, **parameters: Any) -> str:
    given = {
        "clientId": parameters.pop("clientId"),
        "secretName": name,
        "clientSecretKey": "client",
        "sessionSecretKey": "session",
        **parameters,
    }
    return json.dumps(
        {
            "name": name,
            "basePath": f"/{name}",
            "version": "1.0.0",
            "type": "REST",
            "endpointConfigurations": {
                "production": {"endpoint": f"http://127.0.0.1:{echo}"}
            },
            "apiPolicies": {
                "request": [{"policyName": "BrowserSignIn", "parameters": given}]
            },
            "operations": [
                {"target": "/items", "verb": "GET", "scopes": ["items:read"]},
                {"target": "/items", "verb": "POST", "scopes": ["items:read"]},
                {"target": "/admin", "verb": "GET", "scopes": ["admin"]},
                {"target": "/open", "verb": "GET", "secured": False},
            ],
        }
    )


def registered(platform: Platform, name: str, url: str) -> dict[str, Any]:
    """A client for the API at this URL."""
    metadata = platform.data_dir.parent / f"{name}.json"
    metadata.write_text(json.dumps({"post_logout_redirect_uris": [urljoin(url, "/")]}))
    grants = ("--grant", "authorization_code", "--grant", "refresh_token")
    more = ("--redirect-uri", f"{url}/sign-in/callback", "--metadata", str(metadata))
    made = platform.cli("client", "create", name, *grants, *more, "-o", "json")
    return json.loads(made.stdout)
