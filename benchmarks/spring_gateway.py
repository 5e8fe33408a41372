"""Spring Cloud Gateway as a peer: `make bench-peers` fetches it from Maven Central and compiles the
application in `peers/spring-gateway`, once.

Caller: `proxies_cpu.py`, which leaves it out if it is not installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PEER = Path(__file__).parent / "peers" / "spring-gateway"
CLASSES, LIBRARIES = PEER / "server" / "classes", PEER / "server" / "lib"
BUILT = PEER / "server" / ".built"
OF_TOKENS = ("security", "oauth2", "nimbus")
"""In the names of libraries that a gateway without a check of tokens does not load."""


def command(port: int, backend: int, pem: Path, key: Path | None) -> list[str]:
    """`pem` has its certificate and key; `key` is that of the tokens, None for a plain proxy."""
    given = [
        f"--server.port={port}",
        f"--bench.backend={backend}",
        f"--bench.pem={pem}",
    ]
    path = [str(CLASSES)]
    for library in sorted(LIBRARIES.iterdir()):
        if key or not any(part in library.name for part in OF_TOKENS):
            path.append(str(library))
    if key:
        given.append(f"--bench.key={key}")
    return ["java", "-cp", ":".join(path), "bench.Gateway", *given]


def missing() -> str:
    """Why it cannot run here; empty if it can."""
    if not shutil.which("java"):
        return "Spring Cloud Gateway is left out: there is no java here"
    if not BUILT.exists():
        return (
            "Spring Cloud Gateway is left out: it is not installed (make bench-peers)"
        )
    return ""


def install() -> int:
    """Fetch and compile it: 52 MB."""
    if not (shutil.which("javac") and shutil.which("mvn")):
        print("Spring Cloud Gateway is not installed: it needs a JDK and Maven")
        return 0
    if BUILT.exists():
        print("Spring Cloud Gateway is installed")
        return 0
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies"]
    subprocess.run([*copy, f"-DoutputDirectory={LIBRARIES}"], cwd=PEER, check=True)
    CLASSES.mkdir(exist_ok=True)
    shutil.copy(PEER / "application.yaml", CLASSES)
    compiler = ["javac", "-cp", f"{LIBRARIES}/*", "-d", CLASSES]
    subprocess.run([*compiler, *sorted(PEER.glob("*.java"))], check=True)
    BUILT.touch()
    return 0


if __name__ == "__main__":
    sys.exit(install())
