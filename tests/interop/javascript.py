"""Runs one scenario of a client in Node (`peers/`); a person does what it asks for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from clients import CALLBACK, IDP, RESOURCE, SECRET, allow_device, approve, authorized

from client_keys import key
from harness import Platform
from person import Person, over_https

PEERS = Path(__file__).parent / "peers"


def run(
    platform: Platform,
    script: str,
    scenario: str,
    person: Person | None = None,
    **more: Any,
) -> dict[str, Any]:
    """What the client tells at its end, with what it `seen`. Raises AssertionError with the
    client's own words when it failed.
    """
    algorithm = more.get("algorithm", "ES256")
    jwk = {
        name: value
        for name, value in key(algorithm).as_dict(private=True).items()
        if name not in {"use", "alg"}
    }
    settings = {
        "issuer": f"https://{IDP}:{platform.port}",
        "api": f"https://api.am.wso2.com:{platform.port}/api",
        "ca": str(platform.data_dir / "tls" / "ca.pem"),
        "scenario": scenario,
        "method": "client_secret_basic",
        "secret": SECRET,
        "redirect": CALLBACK,
        "resource": RESOURCE,
        "mode": "query",
        "algorithm": algorithm,
        "jwk": jwk,
    }
    person = person or Person(over_https(platform.port))
    process = subprocess.Popen(
        ["node", script, json.dumps(settings | more)],
        cwd=PEERS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said = json.loads(line)
            if "ask" not in said:
                assert "done" in said, said.get("failed", said)
                return {**said["done"], "seen": said["seen"]}
            process.stdin.write(json.dumps(_done(person, **said)) + "\n")
            process.stdin.flush()
        raise AssertionError("the client said nothing")
    finally:
        process.stdin.close()
        process.wait(20)


def _done(
    person: Person, ask: str, url: str = "", code: str = "", message: str = ""
) -> dict[str, Any]:
    if ask == "device":
        allow_device(person, url, code)
        return {}
    if ask == "approve":
        approve(person, message)
        return {}
    page = authorized(person, url)
    if page.status == 200:
        form = page.forms()[0]
        return {"location": form["action"], "form": form["fields"]}
    assert page.status == 303, page.text
    return {"location": page.location}
