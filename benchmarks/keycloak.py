"""Keycloak as a peer: `make bench-peers` fetches it from Maven Central and builds it, once.

It runs in production mode as one node, over plain HTTP like the other peers, and its database (H2)
is a file. `peers/keycloak` has the version and the realm. Callers: `token_cpu.py` and
`testing_peers.py`; both leave Keycloak out if it is not installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PEER = Path(__file__).parent / "peers" / "keycloak"
VERSION = re.findall(r"<version>([\d.]+)</version>", (PEER / "pom.xml").read_text())[-1]
SERVER = PEER / "server"
HOME = SERVER / f"keycloak-{VERSION}"
BUILT = HOME / ".built"
"""Written when the build and the import have ended."""
SCRIPT = HOME / "bin" / "kc.sh"
ISSUER = "/realms/benchmark"
TOKEN = f"{ISSUER}/protocol/openid-connect/token"


def command(port: int) -> list[str]:
    """Its script. It starts Java as its child, forwards SIGTERM, and waits for it."""
    plain = ["--http-enabled=true", "--hostname-strict=false", "--http-host=127.0.0.1"]
    node = ["--cache=local", f"--http-port={port}"]
    return [str(SCRIPT), "start", "--optimized", *plain, *node]


def missing() -> str:
    """Why it cannot run here; empty if it can."""
    if not shutil.which("java"):
        return "Keycloak is left out: there is no java here"
    if not BUILT.exists():
        return "Keycloak is left out: it is not installed (make bench-peers)"
    return ""


def install() -> int:
    """Fetch, build and fill it: 180 MB, and a minute or two of a processor."""
    if not (shutil.which("java") and shutil.which("mvn")):
        print("Keycloak is not installed: it needs Java and Maven")
        return 0
    if BUILT.exists():
        print(f"Keycloak {VERSION} is installed")
        return 0
    shutil.rmtree(SERVER, ignore_errors=True)
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies"]
    subprocess.run([*copy, f"-DoutputDirectory={SERVER}"], cwd=PEER, check=True)
    # Maven itself unpacks it without the files whose names are long.
    archive = SERVER / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(SERVER, filter="data")
    archive.unlink()
    subprocess.run([SCRIPT, "build", "--db=dev-file"], check=True)
    realm = f"--file={PEER / 'realm.json'}"
    subprocess.run([SCRIPT, "import", "--optimized", realm], check=True)
    BUILT.touch()
    return 0


if __name__ == "__main__":
    sys.exit(install())
